"""The launcher of agents that record a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mpi_collector.errors import SessionLostError
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import same_host_key
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import Sink, run_status
from mpi_collector.transport.hosts import HostSpec, find_aliases
from mpi_collector.transport.replicas import Replicas
from mpi_collector.transport.ssh.agents import Agents
from mpi_collector.transport.ssh.remote import RemoteHost, heartbeat_s

_LEAD_NS, _LEAD_PER_HOST_NS = (
    300_000_000,
    2_000_000,
)  #: tick 0 lies so far ahead, so that the word reaches everybody before


class SshCoordinator(Agents):
    """Same life as ``root.Root``: open → start → idle → stop → gather → dismiss."""

    method = "ssh"

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        hosts: Sequence[HostSpec],
        *more: Any,
        **named: Any,
    ) -> None:
        super().__init__(options, run, hosts, *more, **named)
        self.missing_ranks: list[int] = []
        self.aliases: dict[
            str, str
        ] = {}  #: further names of hosts: {name: the one that it is recorded by}
        self.capacity = options.max_samples
        self.t0_ns = self.epoch_ns = 0
        self._replicas = Replicas(options, run)
        self._keepers: list[asyncio.Task[None]] = []

    # ---- before the job
    def open(self, facts: dict[str, Any]) -> None:
        """Sessions to all hosts, an agent made ready on each, clocks measured."""
        self._do(self._open(facts))
        self.capacity = min(
            [r.state.ready["rows"] for r in self._good()], default=self.options.max_samples
        )

    async def _open(self, facts: dict[str, Any]) -> None:
        await self._all("connecting", self._remotes, self._connect)
        connected = self._good()
        self.aliases = find_aliases(
            (remote.name, same_host_key(remote.state.identity)) for remote in connected
        )
        for remote in connected:
            if remote.name in self.aliases:
                self._remotes.remove(remote)
                await remote.part()
        await self._all("preparing", self._good(), lambda r: r.prepare(facts))
        await self._all("clock", self._good(), lambda r: r.clock(self._turns))

    def start(self) -> None:
        """Everybody samples from the same tick 0 on; returns when all do, or have failed to within the time-out."""
        self.t0_ns = mono_ns() + _LEAD_NS + _LEAD_PER_HOST_NS * len(self._remotes)
        self.epoch_ns = wall_ns() + self.t0_ns - mono_ns()
        self._do(self._start())

    async def _start(self) -> None:
        await self._all(
            "starting", self._good(), lambda r: r.start(self.t0_ns, self.epoch_ns, self.capacity)
        )
        good = self._good()
        for n, remote in enumerate(good):
            self._keepers.append(asyncio.create_task(remote.keep(self._turns, n / len(good))))
            if self.options.replicate_s and not remote.local:
                self._keepers.append(asyncio.create_task(self._copy(remote)))

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{key: snapshot} of the hosts that answer in time; between ``open`` and ``dismiss``."""
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: RemoteHost) -> None:
            answer, _ = await remote.session.request("snapshot", self.options.start_timeout_s)
            found[remote.state.key] = answer["snapshot"]

        self._do(self._all("snapshot", self._good(), one))
        return {r.state.key: found[r.state.key] for r in self._remotes if r.state.key in found}

    # ---- during it
    def poll(self) -> None:
        """Nothing: the keepers work by themselves."""

    def status(self) -> dict[str, Any]:
        return run_status(self.hosts)

    async def _copy(self, remote: RemoteHost) -> None:
        """``--replicate``: the copy of a host's spool kept up to date while its session is up."""
        while remote.state.key not in self._replicas.failures:
            await asyncio.sleep(min(heartbeat_s(), self.options.replicate_s))
            with suppress(SessionLostError, RuntimeError, OSError):  # the keeper calls it back
                await self._replicate(remote)

    async def _replicate(self, remote: RemoteHost) -> None:
        """With its next sample a host has decoded what was staged."""
        key = remote.state.key
        await remote.session.request("flush", heartbeat_s())
        await asyncio.sleep(min(1.2 * self.options.interval_s, 1.0))
        more = True
        while more:
            doc, blob = await remote.session.request(
                "replicate", 2 * heartbeat_s(), got=self._replicas.got(key)
            )
            self._replicas.apply(key, doc, blob)
            more = doc["more"] and key not in self._replicas.failures

    def _rest(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()

    # ---- after it
    def stop(self) -> None:
        """The last row everywhere, and the clocks once more."""
        self._do(self._stop())

    async def _stop(self) -> None:
        self._rest()
        sampling = [r for r in self._good() if r.state.sampling]
        await self._all("stopping", sampling, lambda r: r.stop(self._turns))

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Every host's packed table into ``sink``, in the order in which they are ready. The samples are encoded later."""
        del json
        self._do(self._gather(sink, progress))

    async def _gather(self, sink: Sink, progress: Callable[[int, int], None]) -> None:
        ready = [r for r in self._remotes if r.state.stopped]
        done = 0

        async def one(remote: RemoteHost) -> None:
            nonlocal done
            try:
                await remote.deliver(sink, self._turns)
            finally:
                done += 1
                progress(done, len(ready))

        await self._all("gathering", ready, one)
        self._replicas.rescue(self.hosts, sink)

    # ---- the end
    def detach(self) -> None:
        """Leave now: the agents end by themselves and keep their spools."""
        self._replicas.close(False)
        self._loop.call_soon_threadsafe(self._rest)
        super().detach()

    def close(self, saved: bool) -> bool:
        self._replicas.close(saved)
        self._loop.call_soon_threadsafe(self._rest)
        return super().close(saved)

    async def _part(self, remote: RemoteHost, saved: bool) -> None:
        state = remote.state
        if saved and (state.collected or (state.ready and not state.sampling)):
            with suppress(SessionLostError, RuntimeError):
                await remote.session.request("discard", 10)
        await remote.part()
