"""All hosts at once, from one thread with an event loop; what every conversation with agents begins and ends with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from mpi_collector.errors import SessionLostError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.base import HostState
from mpi_collector.transport.hosts import HostSpec, unique_keys
from mpi_collector.transport.limits import raise_open_file_limit
from mpi_collector.transport.ssh.remote import RemoteHost, SessionLimits, SessionSettings

_FILES_PER_HOST = 4  #: three pipes of its ssh, and one that tells of its end
#: what a host can bring about: no connection, an agent that failed, a name that is refused, an answer without what belongs in it
_FAILURES = (SessionLostError, RuntimeError, OSError, ValueError, LookupError, TypeError)
_T = TypeVar("_T")


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
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    ) -> None:
        self.options, self.run, self.progress = options, run, progress
        raise_open_file_limit(_FILES_PER_HOST * len(hosts))
        way = SessionSettings(options, run, user, ssh_timeout_s)
        keys = unique_keys([host.name for host in hosts])
        self._remotes = [
            RemoteHost(way, host.name, host.is_local, key) for host, key in zip(hosts, keys)
        ]
        self._turns = SessionLimits(max(1, fanout))
        self._beats: list[asyncio.Task[None]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()

    @property
    def hosts(self) -> list[HostState]:
        return [r.state for r in self._remotes]

    def _good(self) -> list[RemoteHost]:
        return [r for r in self._remotes if r.state.error is None]

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        if not self._thread.is_alive():  # dismissed already: nobody would ever run it
            work.close()
            raise RuntimeError("the sessions have ended")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _all(
        self,
        what: str,
        remotes: list[RemoteHost],
        work: Callable[[RemoteHost], Coroutine[Any, Any, None]],
    ) -> None:
        """``work`` on every host at once; one that fails is marked and stops nobody."""
        done = 0
        self.progress(what, done, len(remotes))

        async def one(remote: RemoteHost) -> None:
            nonlocal done
            try:
                await work(remote)
            except _FAILURES as e:
                said = (
                    f"no sense in its answer: {e!r}"
                    if isinstance(e, (LookupError, TypeError))
                    else str(e)
                )
                remote.state.error = f"{what}: {remote_text(said)}"
            done += 1
            self.progress(what, done, len(remotes))

        await asyncio.gather(*(one(r) for r in remotes))

    async def _connect(self, remote: RemoteHost) -> None:
        await remote.connect(self._turns)
        self._beats.append(asyncio.create_task(remote.beat()))

    def _silence(self) -> None:
        for task in self._beats:
            task.cancel()

    def detach(self) -> None:
        """Leave now: the agents end by themselves and keep their spools."""

        async def leave() -> None:
            self._silence()
            await asyncio.gather(*(r.session.disconnect() for r in self._remotes))

        self._end(leave())

    def close(self, saved: bool) -> bool:
        """End the agents and the sessions; ``saved``: and remove the spools of what is safely on disk."""

        async def part() -> None:
            self._silence()
            await asyncio.gather(*(self._part(r, saved) for r in self._remotes if r.session.up))

        self._end(part())
        return True

    async def _part(self, remote: RemoteHost, saved: bool) -> None:
        del saved
        await remote.part()

    def _end(self, work: Coroutine[Any, Any, None]) -> None:
        self._do(work)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
