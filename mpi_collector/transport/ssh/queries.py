"""Agents that do not record: the state of hosts, and the spools that dead runs left there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpi_collector.node.compat import wall_ns
from mpi_collector.node.errors import RunClaimedError
from mpi_collector.node.host.identity import claim_order
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.agreement import recovered_bounds
from mpi_collector.transport.base import Sink
from mpi_collector.transport.deadline import Allowance
from mpi_collector.transport.ssh.agents import Agents
from mpi_collector.transport.ssh.remote import RemoteHost
from mpi_collector.transport.ssh.table_fetch import fetch_table

_CHECK_S = 30.0


class HostQueries(Agents):
    """``check`` of the hosts, or a RecoveryTransport to the spools of dead runs there."""

    def check(self, door: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """Return {host: report of its agent}; a host that failed has its error in ``hosts``.

        door: addresses and port at which this host listens meanwhile. A report has further keys:
        python, rtt_ns, wall_offset_ns, shell (what the login shell says), called (whether the host
        was asked to connect).
        """
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: RemoteHost) -> None:
            await self._connect(remote)
            fields = {"spool_dir": self.options.spool_dir}
            call = {"door": door} if door and not remote.spec.is_local else {}
            answer, _ = await remote.session.request("check", _CHECK_S, **fields, **call)
            sent = wall_ns()
            echo, _ = await remote.session.request("time", 10)
            rtt = wall_ns() - sent
            found[remote.state.key] = dict(
                answer,
                python=remote.session.hello["python"],
                rtt_ns=rtt,
                wall_offset_ns=echo["wall_ns"] - sent - rtt // 2,
                shell=" ".join(remote_text(remote.session.noise).split()),
                called=bool(call),
            )
            await remote.quit()

        self._loop.run(self._on_each("checking", self.remotes, one))
        self.close(False)
        return found

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """Return {host: its spools} of the hosts that can be reached; see RecoveryTransport.

        The sessions stay.
        """
        found: dict[str, list[dict[str, Any]]] = {}

        async def one(remote: RemoteHost) -> None:
            await self._connect(remote)
            answer, _ = await remote.session.request("spools", 30, places=self.options.places)
            found[remote.name] = answer["spools"]

        self._loop.run(self._on_each("looking", self.remotes, one))
        return {r.name: found[r.name] for r in self.remotes if r.name in found}

    @property
    def unreached(self) -> dict[str, str]:
        """{host: why nothing is known of its spools}."""
        return {r.name: r.state.error for r in self.remotes if r.state.error}

    def identity(self, host: str) -> Mapping[str, Any]:
        """Return the Identity of a host."""
        return self._remote(host).state.identity

    def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """Claim ``run`` on the hosts that answer; see RecoveryTransport."""
        found: dict[str, list[dict[str, Any]]] = {}
        claimed: list[str] = []

        async def one(remote: RemoteHost) -> None:
            answer, _ = await remote.session.request(
                "claim", 30, places=self.options.places, run=run, token=self.run
            )
            if answer["claimed"]:
                found[remote.name] = answer["spools"]
            else:
                claimed.append(remote.name)

        remotes = sorted(self._working(), key=lambda r: claim_order(r.state.identity))
        for group in (remotes[:1], remotes[1:]):
            self._loop.run(self._on_each("claiming", group, one))
            if claimed:
                raise RunClaimedError(claimed[0])
        return {r.name: found[r.name] for r in self.remotes if r.name in found}

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Have the agent of ``host`` open a spool; return RecoveredSpool.about.

        RuntimeError when it cannot.
        """
        remote = self._remote(host)
        remote.state.key = key
        work = remote.session.request("adopt", 60, spool_dir=place, run=run, key=key)
        about: dict[str, Any] = self._loop.run(work)[0]["about"]
        remote.adopted = recovered_bounds(key, run, about)
        remote.ending = Allowance(self.options.gather_timeout_s)
        return about

    def take_adopted(self, host: str, sink: Sink) -> None:
        """Put the table of the adopted spool into ``sink``."""
        remote = self._remote(host)
        if remote.adopted is None:
            raise RuntimeError("no spool was adopted")
        self._loop.run(fetch_table(remote, sink, self._limits, remote.adopted))

    def drop_adopted(self, host: str) -> None:
        """Remove the adopted spool: its table is safely on disk."""
        self._loop.run(self._remote(host).session.request("discard", 30))

    def _remote(self, host: str) -> RemoteHost:
        return next(r for r in self.remotes if r.name == host)
