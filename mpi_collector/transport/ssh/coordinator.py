"""The ssh transport: agents that record a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mpi_collector.errors import MessageError, SessionLostError, SpoolError
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import same_host_key
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.table.table import SampleTable
from mpi_collector.transport.agreement import table_bounds
from mpi_collector.transport.base import (
    HostState,
    Progress,
    RunStatus,
    Sink,
    Wakes,
    run_status,
)
from mpi_collector.transport.hosts import HostSpec, find_aliases
from mpi_collector.transport.live_feed import LiveFeed
from mpi_collector.transport.replicas import Replicas
from mpi_collector.transport.ssh.agents import Agents
from mpi_collector.transport.ssh.remote import RemoteHost, heartbeat_s
from mpi_collector.transport.ssh.table_fetch import fetch_table
from mpi_collector.transport.table_check import TableBounds

#: tick 0 lies so far ahead that the start request reaches every host before
_LEAD_NS = 300_000_000
_LEAD_PER_HOST_NS = 2_000_000


class SshCoordinator(Agents):
    """A Transport over ssh. ``hosts`` and further arguments: see Agents."""

    method = "ssh"
    records_here = False

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
        super().__init__(options, run, hosts, user, fanout, ssh_timeout_s, progress)
        self.missing_ranks: list[int] = []
        self.aliases: dict[str, str] = {}
        self.capacity = options.max_samples
        self.t0_ns = self.local_t0_ns = 0
        self.epoch_ns = 0
        self.live = LiveFeed(options)
        self._replicas = Replicas(options, run)
        self._run_tasks: list[asyncio.Task[None]] = []  # from start to stop

    # ---- before the job
    def open(self, facts: dict[str, Any]) -> None:
        """Begin sessions to all hosts, prepare an agent on each, measure the clocks."""
        self._loop.run(self._open(facts))
        self.capacity = min(
            [r.state.ready["rows"] for r in self._working()], default=self.options.max_samples
        )

    async def _open(self, facts: dict[str, Any]) -> None:
        await self._on_each("connecting", self.remotes, self._connect)
        connected = self._working()
        self.aliases = find_aliases(
            (remote.name, same_host_key(remote.state.identity)) for remote in connected
        )
        for remote in connected:
            if remote.name in self.aliases:
                self.remotes.remove(remote)
                await remote.quit()
        await self._on_each("preparing", self._working(), lambda r: r.prepare(facts))
        await self._on_each("clock", self._working(), lambda r: r.first_clock(self._limits))

    def start(self) -> None:
        """Start sampling at a common tick 0; return when every host samples or has failed."""
        self.t0_ns = self.local_t0_ns = mono_ns() + _LEAD_NS + _LEAD_PER_HOST_NS * len(self.remotes)
        self.epoch_ns = wall_ns() + self.t0_ns - mono_ns()
        self._loop.run(self._start())

    async def _start(self) -> None:
        grid = (self.t0_ns, self.epoch_ns, self.capacity, len(self.remotes))
        await self._on_each("starting", self._working(), lambda r: r.start(*grid))
        working = self._working()
        for n, remote in enumerate(working):
            watching = remote.watch(self._limits, n / len(working))
            self._run_tasks.append(asyncio.create_task(watching))
            if self.options.replicate_s and not remote.spec.is_local:
                self._run_tasks.append(asyncio.create_task(self._replicate_regularly(remote)))
        self.live.begin(self.t0_ns)
        if self.live.period_ns:
            self._run_tasks.append(asyncio.create_task(self._ask_for_vectors()))

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return {key: snapshot} of the hosts that answer in time."""
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: RemoteHost) -> None:
            answer, _ = await remote.session.request("snapshot", self.options.start_timeout_s)
            found[remote.state.key] = answer["snapshot"]

        self._loop.run(self._on_each("snapshot", self._working(), one))
        return {r.state.key: found[r.state.key] for r in self.remotes if r.state.key in found}

    # ---- during it
    def wakes(self) -> Wakes:
        """Return that ``poll`` waits for nothing."""
        return Wakes()

    def poll(self) -> None:
        """No-op: the tasks of the event loop do what is due."""

    def status(self) -> RunStatus:
        return run_status(self.hosts)

    def table_so_far(self, key: str) -> SampleTable | None:
        """Return the rows of a host that are here: of this host all, of others those replicated.

        None when there are none yet.
        """
        remote = next(r for r in self.remotes if r.state.key == key)
        path = self._replicas.path(key) or (
            remote.state.ready.get("spool") if remote.spec.is_local else ""
        )
        if not path:
            return None
        try:
            # a copy: a row that is written at this moment has a wrong checksum in it
            return SampleTable(SpoolReader(Path(path).read_bytes(), path))
        except (OSError, SpoolError):
            return None

    async def _ask_for_vectors(self) -> None:
        """Ask the hosts for their live vectors when these are due."""
        asked: dict[RemoteHost, asyncio.Task[None]] = {}
        while (due_ns := self.live.due_ns()) is not None:
            await asyncio.sleep(max(0.0, (due_ns - mono_ns()) * 1e-9))
            if self.live.is_due():
                for remote in self._working():
                    if remote.session.connected and (remote not in asked or asked[remote].done()):
                        asked[remote] = asyncio.create_task(self._take_vector(remote))

    async def _take_vector(self, remote: RemoteHost) -> None:
        try:
            answer, _ = await remote.session.request("live", heartbeat_s())
            self.live.put(remote.state.key, answer)
        except MessageError as e:
            remote.state.error = f"sampling: {e}"
        except (SessionLostError, RuntimeError, OSError):  # ``watch`` restores the session
            pass

    async def _replicate_regularly(self, remote: RemoteHost) -> None:
        """Keep the replica of a host's spool up to date while its session is up."""
        while remote.state.key not in self._replicas.failures:
            await asyncio.sleep(min(heartbeat_s(), self.options.replicate_s))
            try:
                await self._replicate(remote)
            except MessageError as e:
                remote.state.error = f"sampling: {e}"
                return
            except (SessionLostError, RuntimeError, OSError):  # ``watch`` restores the session
                pass

    async def _replicate(self, remote: RemoteHost) -> None:
        """Have the host decode what is staged, and fetch what has changed.

        It decodes with its next sample.
        """
        key = remote.state.key
        await remote.session.request("flush", heartbeat_s())
        await asyncio.sleep(min(1.2 * self.options.interval_s, 1.0))
        more = True
        while more:
            answer, blob = await remote.session.request(
                "replicate", 2 * heartbeat_s(), got=self._replicas.last_number(key)
            )
            self._replicas.apply(key, answer["doc"], blob)
            more = answer["doc"]["more"] and key not in self._replicas.failures

    def _cancel_run_tasks(self) -> None:
        for task in self._run_tasks:
            task.cancel()

    # ---- after it
    def stop(self, limit_s: float | None = None) -> None:
        """Take the last row on every host, and measure its clock once more.

        limit_s: for a host, in place of ``gather_timeout_s`` for each of its requests.
        """
        self.hurry.begin_step()
        self._loop.run(self._stop(limit_s))

    async def _stop(self, limit_s: float | None) -> None:
        self.live.end()
        self._cancel_run_tasks()
        sampling = [r for r in self._working() if r.state.sampling]
        await self._on_each("stopping", sampling, lambda r: r.stop(self._limits), limit_s)

    def gather(
        self,
        sink: Sink,
        progress: Callable[[int, int], None],
        json: bool,
        limit_s: float | None = None,
    ) -> None:
        """Put the table of every host into ``sink``, in the order in which they are ready.

        No samples: see Transport. limit_s: for all hosts; of those that are not through by then
        the replica is taken.
        """
        del json
        self.hurry.begin_step()
        self._loop.run(self._gather(sink, progress, limit_s))

    def _bounds(self, host: HostState) -> TableBounds:
        """Return what the table of a host can be."""
        return table_bounds(self, host)

    async def _gather(
        self, sink: Sink, progress: Callable[[int, int], None], limit_s: float | None
    ) -> None:
        ready = [r for r in self.remotes if r.state.stopped]
        done = 0

        async def one(remote: RemoteHost) -> None:
            nonlocal done
            try:
                await fetch_table(remote, sink, self._limits, self._bounds(remote.state))
            finally:
                done += 1
                progress(done, len(ready))

        await self._on_each("gathering", ready, one, limit_s)
        self._replicas.fill_in(self.hosts, sink, self._bounds)

    # ---- the end
    def detach(self, why: str = "") -> None:
        """Leave at once: the agents end by themselves and keep their spools."""
        self._replicas.close(False)
        self._loop.call_soon(self._cancel_run_tasks)
        super().detach(why)

    def close(self, saved: bool, limit_s: float | None = None) -> bool:
        self._replicas.close(saved)
        self._loop.call_soon(self._cancel_run_tasks)
        return super().close(saved, limit_s)

    async def _end_host(self, remote: RemoteHost, saved: bool) -> None:
        if saved and remote.state.spool_is_disposable:
            with suppress(SessionLostError, RuntimeError):
                await remote.session.request("discard", 10)
        await remote.quit()
