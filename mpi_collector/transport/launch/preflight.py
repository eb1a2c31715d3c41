"""Every host looked at before the job, all at the same time: can it be reached, and has it what the ranks need?

Launchers say little about the one host that keeps a launch of hundreds from coming up, and they say it late.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mpi_collector._version import __version__
from mpi_collector.errors import HostNameError
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.limits import raise_open_file_limit
from mpi_collector.transport.session import end
from mpi_collector.transport.ssh.command_line import host_key_option, ssh_argv, ssh_environment

_DONE = "mpi_collector is here"
_FILES_PER_HOST = 3
_END_S = 5.0
_PACE_S = (
    1.0  #: for so long a host keeps the next one from being asked: one that hangs delays nobody
)


@dataclass
class Findings:
    """``broken``: {host: what is wrong and what to do}; ``identities``: {host: equal for two names of one host}."""

    broken: dict[str, str] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)


def ranks_command() -> str:
    """What a host is asked over ssh: see ``question``."""
    return f"exec {shlex.join(question())}"


def question() -> list[str]:
    """A program that answers for this same interpreter with this same package."""
    home = str(Path(__file__).resolve().parents[2])
    program = f"import sys; sys.path.append({home!r}); import mpi_collector, numpy, mpi4py; " \
              "from mpi_collector.node.host.identity import identity, same_host_key; " \
              f"print({_DONE!r}, mpi_collector.__version__, *same_host_key(identity()))"  # fmt: skip
    return [sys.executable, "-c", program]


def check_ranks(
    hosts: Sequence[HostSpec],
    user: str | None,
    fanout: int,
    timeout_s: float,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    command: str = "",
) -> Findings:
    """What keeps ranks of ours from starting, and who is who. Takes ``timeout_s`` per host."""
    return _apart(
        partial(_check_all, hosts, user, fanout, timeout_s, progress, command or ranks_command())
    )


def check_reachable(
    hosts: Sequence[HostSpec], user: str | None, fanout: int, timeout_s: float
) -> dict[str, str]:
    """{host: what is wrong} of those to which ssh does not get through."""
    return _apart(
        partial(
            _check_all, hosts, user, fanout, timeout_s, _nothing, f"echo '{_DONE}' {__version__}"
        )
    ).broken


@dataclass
class _CancelScope:
    """What is going on, to end it from another thread."""

    off: bool = False
    pids: set[int] = field(default_factory=set)

    def pull(self) -> None:
        self.off = True
        for pid in list(self.pids):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # a jump host's ssh too


def _apart(work: Callable[[_CancelScope], Coroutine[Any, Any, Findings]]) -> Findings:
    """The result of ``work``, done in another thread: what a signal raises in this one would get lost in an event loop."""
    loop, reins = asyncio.new_event_loop(), _CancelScope()
    thread = threading.Thread(target=loop.run_forever, name="preflight", daemon=True)
    thread.start()
    future = asyncio.run_coroutine_threadsafe(work(reins), loop)
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    try:
        return future.result()
    except BaseException:
        reins.pull()
        raise
    finally:
        thread.join(_END_S)
        if not reins.off:
            loop.close()


def check_by_launcher(
    argv: Sequence[str],
    environ: Mapping[str, str],
    names: Mapping[str, str],
    hosts: Sequence[HostSpec],
    timeout_s: float,
) -> Findings:
    """The same where hosts cannot be logged in to: ``argv`` launches ``question`` on each of them.

    ``names``: {any name of a host: the one it was asked for by}. Where nobody answers, or nothing is said to be wrong, there
    is no verdict: the launch itself will tell.
    """
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=quiet,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        out, err = done.stdout, done.stderr
    except subprocess.TimeoutExpired as e:
        out, err = e.stdout or b"", e.stderr or b""
    answers = [_answer(line) for line in out.decode("utf-8", "replace").splitlines()]
    there = {
        names.get(who.partition(" ")[0].partition(".")[0], ""): version
        for version, who in answers
        if version
    }
    everybody = len({who for version, who in answers if version}) >= len(
        hosts
    )  # under whatever names
    why = "\n".join(line for line in err.decode("utf-8", "replace").splitlines() if "rror" in line)
    found = Findings()
    for host in hosts if {h.name for h in hosts} & set(there) else []:
        said = f"{_DONE} {there[host.name]}" if host.name in there else ""
        if (said or (why and not everybody)) and (problem := judge(1, said, why)):
            found.broken[host.name] = problem
    return found


def _nothing(what: str, done: int, total: int) -> None:
    """Nobody watches."""


async def _check_all(
    hosts: Sequence[HostSpec],
    user: str | None,
    fanout: int,
    timeout_s: float,
    progress: Callable[[str, int, int], None],
    command: str,
    reins: _CancelScope,
) -> Findings:
    gate, found, done = asyncio.Semaphore(fanout), Findings(), 0
    raise_open_file_limit(_FILES_PER_HOST * len(hosts))

    async def one(host: HostSpec) -> None:
        nonlocal done
        async with gate:
            if reins.off:
                return
            asked = asyncio.ensure_future(_check(host.name, user, timeout_s, command, reins))
            await asyncio.wait({asked}, timeout=_PACE_S)
        problem, found.identities[host.name] = await asked
        if problem:
            found.broken[host.name] = problem
        done += 1
        progress("checking", done, len(hosts))

    await asyncio.gather(*(one(h) for h in hosts))
    found.broken = {h.name: found.broken[h.name] for h in hosts if h.name in found.broken}
    return found


async def _check(
    host: str, user: str | None, timeout_s: float, command: str, reins: _CancelScope
) -> tuple[str, str]:
    """(what is wrong, who it is)."""
    pipe = asyncio.subprocess.PIPE
    try:
        extra = await host_key_option(host, user)
        argv = ssh_argv(host, user, timeout_s, command, extra)
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            env=ssh_environment(),
        )
    except HostNameError as e:
        return str(e), ""
    except OSError as e:
        return f"cannot start ssh: {e.strerror or e}", ""
    reins.pids.add(process.pid)
    if reins.off:
        reins.pull()
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except asyncio.TimeoutError:
        await end(process)
        return f"no answer over ssh within {timeout_s:g} s; is it up? (--ssh-timeout)", ""
    finally:
        reins.pids.discard(process.pid)
    said = out.decode("utf-8", "replace")
    return judge(process.returncode or 0, said, err.decode("utf-8", "replace")), _answer(said)[1]


def _answer(out: str) -> tuple[str, str]:
    """(version, identity) of what a host said, whatever stood around it; ("", "") when it did not."""
    said = next((line for line in out.splitlines() if line.startswith(_DONE)), _DONE)
    version, _, who = said[len(_DONE) :].strip().partition(" ")
    return version, who


def judge(code: int, out: str, err: str) -> str:
    """What an answer means; "" when all is well."""
    if version := _answer(out)[0]:
        return (
            ""
            if version == __version__
            else f"has mpi_collector {remote_text(version)}, this host {__version__}"
        )
    last = remote_text((err.strip().splitlines() or ["no reason given"])[-1])
    if code == 255:
        return f"cannot be reached over ssh: {last}"
    if code in (126, 127):
        return (
            f"has no {sys.executable}: install the same environment there, or use --transport ssh"
        )
    return f"{sys.executable} there cannot run mpi_collector ({last}): install the same environment, or use --transport ssh"
