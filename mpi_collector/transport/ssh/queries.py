"""Agents that do not record: what a host is like, and what dead runs left there."""

from __future__ import annotations

from typing import Any

from mpi_collector.node.compat import wall_ns
from mpi_collector.transport.base import Sink
from mpi_collector.transport.ssh.agents import Agents
from mpi_collector.transport.ssh.remote import RemoteHost


class HostQueries(Agents):
    """``check`` of hosts; or ``spools``, and then ``adopt`` → ``take_adopted`` → ``drop_adopted`` for one after the other."""

    def check(self) -> dict[str, dict[str, Any]]:
        """{host: what its agent says of it} after connecting; a host that failed has its error in ``hosts``."""
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: RemoteHost) -> None:
            await self._connect(remote)
            answer, _ = await remote.session.request("check", 10, spool_dir=self.options.spool_dir)
            sent = wall_ns()
            echo, _ = await remote.session.request("wall", 10)
            rtt = wall_ns() - sent
            found[remote.state.key] = dict(answer, python=remote.session.hello["python"], rtt_ns=rtt,
                                           wall_offset_ns=echo["wall_ns"] - sent - rtt // 2)  # fmt: skip
            await remote.part()

        self._do(self._all("checking", self._remotes, one))
        self.close(False)
        return found

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """{host: [{"dir", "run", "key", "bytes", "mtime", "alive"}]} of the hosts that can be reached; the sessions stay."""
        found: dict[str, list[dict[str, Any]]] = {}

        async def one(remote: RemoteHost) -> None:
            await self._connect(remote)
            answer, _ = await remote.session.request("spools", 30, places=self.options.places)
            found[remote.name] = answer["spools"]

        self._do(self._all("looking", self._remotes, one))
        return {r.name: found[r.name] for r in self._remotes if r.name in found}

    @property
    def unreached(self) -> dict[str, str]:
        """{host: why nothing is known of what is there}."""
        return {r.name: r.state.error for r in self._remotes if r.state.error}

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Have the agent of ``host`` take a spool there; what the run's document needs of it. RuntimeError says why not."""
        remote = self._remote(host)
        remote.state.key = key
        answer, _ = self._do(remote.session.request("adopt", 60, spool_dir=place, run=run, key=key))
        return answer

    def take_adopted(self, host: str, sink: Sink) -> None:
        """The adopted spool's table into ``sink``."""
        self._do(self._remote(host).deliver(sink, self._turns))

    def drop_adopted(self, host: str) -> None:
        """It is safely on disk: remove it there."""
        self._do(self._remote(host).session.request("discard", 30))

    def _remote(self, host: str) -> RemoteHost:
        return next(r for r in self._remotes if r.name == host)
