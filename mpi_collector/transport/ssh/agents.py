"""Sessions to the agents of all hosts at once, from one thread with an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from mpi_collector.errors import SessionLostError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.base import HostState, Progress
from mpi_collector.transport.deadline import GIVEN_UP, HURRIED_S, Hurry
from mpi_collector.transport.hosts import HostSpec, unique_keys
from mpi_collector.transport.limits import raise_open_file_limit
from mpi_collector.transport.loop_thread import LoopThread
from mpi_collector.transport.ssh.remote import RemoteHost
from mpi_collector.transport.ssh.turns import SessionLimits, SessionSettings

_SLICE_S = 0.2  #: between two looks at whether there is a hurry
_FILES_PER_HOST = 4  #: three pipes of its ssh, and one for the exit of ssh
#: failures of one host: no connection, a failed request, a refused name, an answer without the
#: fields expected
_FAILURES = (SessionLostError, RuntimeError, OSError, ValueError, LookupError, TypeError)


class Agents:
    """Sessions to ``hosts``, in the order in which they were requested."""

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        hosts: Sequence[HostSpec],
        user: str | None = None,
        fanout: int = 8,
        ssh_timeout_s: float = 30.0,
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self.options = options
        self.run = run
        self.progress = progress
        raise_open_file_limit(_FILES_PER_HOST * len(hosts))
        settings = SessionSettings(options, run, user, ssh_timeout_s)
        keys = unique_keys([host.name for host in hosts])
        self.remotes = [RemoteHost(settings, host, key) for host, key in zip(hosts, keys)]
        self.hurry = Hurry()
        self._limits = SessionLimits(max(1, fanout))
        self._heartbeats: list[asyncio.Task[None]] = []
        self._loop = LoopThread("ssh")

    @property
    def hosts(self) -> list[HostState]:
        return [r.state for r in self.remotes]

    def _working(self) -> list[RemoteHost]:
        return [r for r in self.remotes if r.state.error is None]

    async def _on_each(
        self,
        what: str,
        remotes: list[RemoteHost],
        work: Callable[[RemoteHost], Coroutine[Any, Any, None]],
        limit_s: float | None = None,
    ) -> None:
        """Do ``work`` on every host at once; a failure sets its host's error and stops no other.

        limit_s: for each host; the session to one that takes longer ends.
        """
        done = 0
        self.progress(what, done, len(remotes))

        async def one(remote: RemoteHost) -> None:
            nonlocal done
            try:
                await _within(limit_s, remote, work(remote))
            except _FAILURES as e:
                said = (
                    f"cannot interpret its answer: {e!r}"
                    if isinstance(e, (LookupError, TypeError))
                    else str(e)
                )
                remote.note_error(f"{what}: {remote_text(said)}")
            except asyncio.CancelledError:
                remote.note_error(f"{what}: {GIVEN_UP}")
            done += 1
            self.progress(what, done, len(remotes))

        left = {asyncio.ensure_future(one(r)) for r in remotes}
        while left:
            _, left = await asyncio.wait(left, timeout=_SLICE_S)
            for task in left if self.hurry.over else ():
                task.cancel()

    async def _connect(self, remote: RemoteHost) -> None:
        await remote.connect(self._limits)
        self._heartbeats.append(asyncio.create_task(remote.send_heartbeats()))

    def _cancel_tasks(self) -> None:
        for task in self._heartbeats:
            task.cancel()

    def detach(self, why: str = "") -> None:
        """Leave at once: the agents end for want of a launcher, and keep their spools."""
        del why

        async def leave() -> None:
            self._cancel_tasks()
            await asyncio.gather(*(r.session.disconnect() for r in self.remotes))

        self._end(leave())

    def close(self, saved: bool, limit_s: float | None = None) -> bool:
        """End the agents and the sessions; ``saved``: remove the spools, too.

        limit_s: for each host; an agent that does not answer by then ends by itself.
        """
        limit_s = HURRIED_S if limit_s is None and self.hurry.asked else limit_s

        async def end(remote: RemoteHost) -> None:
            with suppress(SessionLostError):
                await _within(limit_s, remote, self._end_host(remote, saved))

        async def end_all() -> None:
            self._cancel_tasks()
            await asyncio.gather(*(end(r) for r in self.remotes if r.session.connected))

        self._end(end_all())
        return True

    async def _end_host(self, remote: RemoteHost, saved: bool) -> None:
        del saved
        await remote.quit()

    def _end(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop.run(work)
        self._loop.close()


async def _within(
    limit_s: float | None, remote: RemoteHost, work: Coroutine[Any, Any, None]
) -> None:
    """Await ``work`` for up to ``limit_s``; SessionLostError, and the session ends, after that."""
    try:
        await asyncio.wait_for(work, limit_s)
    except asyncio.TimeoutError:
        await remote.session.disconnect()
        raise SessionLostError(f"no answer within {limit_s:g} s") from None
