"""The check over ssh: one session to each host, ``fanout`` of them starting at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mpi_collector.errors import HostNameError
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch.preflight.answers import (
    Findings,
    judge,
    parse_answer,
    parse_versions,
)
from mpi_collector.transport.launch.preflight.question import check_command, reachable_command
from mpi_collector.transport.limits import raise_open_file_limit
from mpi_collector.transport.loop_thread import LoopThread, wait_for
from mpi_collector.transport.ssh.command_line import site_options, ssh_argv, ssh_environment
from mpi_collector.transport.subprocesses import end_process

Progress = Callable[[str, int, int], None]

_FILES_PER_HOST = 3
_END_S = 5.0
#: a host delays the next one at most this long: one that does not answer must not hold all others
#: up
_HOLD_S = 1.0


def check_ranks(
    hosts: Sequence[HostSpec],
    user: str | None,
    fanout: int,
    timeout_s: float,
    variables: Mapping[str, str],
    progress: Progress = lambda what, done, total: None,
) -> Findings:
    """Return what keeps ranks of ours from starting on ``hosts``, and the identity of each.

    timeout_s: for one host. variables: those that the ranks there will have of their launcher.
    progress: receives "checking", the number of hosts that are done, and of all.
    """
    return _check(_Check(user, fanout, timeout_s, check_command(variables), progress), hosts)


def check_reachable(
    hosts: Sequence[HostSpec], user: str | None, fanout: int, timeout_s: float
) -> dict[str, str]:
    """Return {host: what is wrong} of those to which ssh does not get through."""
    check = _Check(user, fanout, timeout_s, reachable_command(), lambda what, done, total: None)
    return _check(check, hosts).problems


@dataclass
class _CancelScope:
    """The ssh processes of a check, to end them from another thread."""

    cancelled: bool = False
    pids: set[int] = field(default_factory=set)

    def cancel(self) -> None:
        self.cancelled = True
        for pid in list(self.pids):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # with the ssh to a jump host


def _check(check: _Check, hosts: Sequence[HostSpec]) -> Findings:
    scope = _CancelScope()
    return _in_thread(check.all_hosts(hosts, scope), scope)


def _in_thread(work: Coroutine[Any, Any, Findings], scope: _CancelScope) -> Findings:
    """Return the result of ``work``, run in a thread.

    An event loop in the calling thread would lose what a signal handler raises.
    """
    loop = LoopThread("preflight")
    future = loop.submit(work)
    try:
        return wait_for(future)
    except BaseException:
        scope.cancel()
        wait([future], _END_S)
        raise
    finally:
        loop.close()


class _Outcome(NamedTuple):
    """What is wrong with a host, "" if nothing; its identity, "" if not known; its versions."""

    problem: str
    identity: str = ""
    versions: dict[str, str] = {}  # noqa: RUF012 - never changed


@dataclass(frozen=True)
class _Check:
    """The same command on many hosts."""

    user: str | None
    fanout: int
    timeout_s: float
    command: str
    progress: Progress

    async def all_hosts(self, hosts: Sequence[HostSpec], scope: _CancelScope) -> Findings:
        gate = asyncio.Semaphore(self.fanout)
        outcomes: dict[str, _Outcome] = {}
        done = 0
        raise_open_file_limit(_FILES_PER_HOST * len(hosts))

        async def one(host: HostSpec) -> None:
            nonlocal done
            async with gate:
                if scope.cancelled:
                    return
                asked = asyncio.ensure_future(self._host(host, scope))
                await asyncio.wait({asked}, timeout=_HOLD_S)
            outcomes[host.name] = await asked
            done += 1
            self.progress("checking", done, len(hosts))

        await asyncio.gather(*(one(host) for host in hosts))
        ordered = {host.name: outcomes[host.name] for host in hosts if host.name in outcomes}
        return Findings(
            problems={name: o.problem for name, o in ordered.items() if o.problem},
            identities={name: o.identity for name, o in ordered.items()},
            versions={name: o.versions for name, o in ordered.items() if o.versions},
        )

    async def _host(self, host: HostSpec, scope: _CancelScope) -> _Outcome:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *await self._argv(host),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
                env=ssh_environment(),
            )
        except HostNameError as e:
            return _Outcome(str(e))
        except OSError as e:
            return _Outcome(f"cannot start ssh: {e.strerror or e}")
        scope.pids.add(process.pid)
        if scope.cancelled:  # before the process was in the scope
            scope.cancel()
        try:
            out, err = await asyncio.wait_for(process.communicate(), self.timeout_s)
        except asyncio.TimeoutError:
            await end_process(process)
            return _Outcome(
                f"no answer over ssh within {self.timeout_s:g} s; is it up? (--ssh-timeout)"
            )
        finally:
            scope.pids.discard(process.pid)
        output = out.decode("utf-8", "replace")
        problem = judge(process.returncode or 0, output, err.decode("utf-8", "replace"))
        return _Outcome(problem, parse_answer(output).identity, parse_versions(output))

    async def _argv(self, host: HostSpec) -> list[str]:
        if host.is_local:
            return ["sh", "-c", self.command]
        extra = await site_options(host, self.user)
        return ssh_argv(host, self.user, self.timeout_s, self.command, extra)
