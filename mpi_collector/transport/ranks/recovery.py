"""Spools of dead runs on the hosts of a launch.

The first rank of each host opens them, rank 0 takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.node.errors import RunClaimedError, SpoolError
from mpi_collector.node.host.identity import claim_order
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.claim import RunClaim
from mpi_collector.node.spool.directory import find_spools
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.transport.agreement import recovered_bounds
from mpi_collector.transport.base import HostState, Sink, write_host
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.messages import Message
from mpi_collector.transport.table_check import TableBounds

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

_ADOPT_S = 60.0
_CLAIM_S = 30.0
_DISCARD_S = 30.0


class RankRecovery(Coordinator):
    """RecoveryTransport over MPI ranks.

    A host is named by the key that it would be recorded under.
    """

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        world: World,
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(options, run, world, names)
        self._adopted: RecoveredSpool | None = None  # of rank 0's host
        self._claim: RunClaim | None = None  # on rank 0's host
        self._rank_of: dict[str, int] = {}
        self._unreached: dict[str, str] = {}
        self._adopted_bounds: dict[str, TableBounds] = {}  # of the table of each adopted spool

    @property
    def unreached(self) -> dict[str, str]:
        return self._unreached

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """Return {host: its spools} of the hosts that answer; see RecoveryTransport."""
        self.meet()
        self._rank_of = {host.key: rank for rank, host in self.leaders.items()}
        self._unreached = {f"rank {rank}": "sent no hello" for rank in self.missing_ranks}
        places = self.options.places
        limit_s = self.options.start_timeout_s
        answers = self._inbox.ask(self.leaders.alive(), "spools", limit_s, places=places)
        found = {self.leaders[0].key: [s for place in places for s in find_spools(place)]}
        for rank, host in self.leaders.items():
            if not rank:
                continue
            if rank in answers and host.error is None:
                found[host.key] = answers[rank]["spools"]
            elif host.error is None:
                host.mark_lost(f"no answer within {limit_s:g} s")
            if host.error is not None:
                self._unreached[host.key] = host.error
        return found

    def identity(self, host: str) -> Mapping[str, Any]:
        return self.leaders[self._rank_of[host]].identity

    def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """Claim ``run`` on the hosts that answer; see RecoveryTransport."""
        self._give_up_claim()
        there = {0, *self.leaders.alive()}
        ranks = sorted(there, key=lambda n: claim_order(self.leaders[n].identity))
        found: dict[str, list[dict[str, Any]]] = {}
        for group in (ranks[:1], ranks[1:]):
            found.update(self._claim_on(group, run))
        return found

    def spools_answer(self) -> dict[str, Any]:
        """Return ``spools`` as the answer to a ControlRecoveryClient."""
        found = self.spools()
        identities = {host: dict(self.identity(host)) for host in found}
        return {"spools": found, "unreached": self.unreached, "identities": identities}

    def claim_answer(self, run: str) -> dict[str, Any]:
        """Return ``claim`` as the answer to a ControlRecoveryClient."""
        found: dict[str, Any] = {}
        elsewhere: str | None = None
        try:
            found = self.claim(run)
        except RunClaimedError as e:
            elsewhere = str(e)
        return {"spools": found, "unreached": self.unreached, "elsewhere": elsewhere}

    def _give_up_claim(self) -> None:
        if self._claim is not None:
            self._claim.release()
        self._claim = None

    def _claim_on(self, ranks: list[int], run: str) -> dict[str, list[dict[str, Any]]]:
        places = self.options.places
        found: dict[str, list[dict[str, Any]]] = {}
        if 0 in ranks:
            try:
                self._claim = RunClaim(places, run, self.run)
            except RunClaimedError:
                raise RunClaimedError(self.leaders[0].key) from None
            found[self.leaders[0].key] = self._claim.spools()
        others = [rank for rank in ranks if rank]
        answers = self._inbox.ask(others, "claim", _CLAIM_S, places=places, run=run, token=self.run)
        for rank in others:
            host, answer = self.leaders[rank], answers.get(rank)
            if answer is None or "error" in answer:
                host.error = host.error or f"no answer within {_CLAIM_S:g} s"
                self._unreached[host.key] = host.error
            elif not answer["claimed"]:
                raise RunClaimedError(host.key)
            else:
                found[host.key] = answer["spools"]
        return found

    def _request(self, host: str, do: str, timeout_s: float, **fields: Any) -> Message:
        """Return the answer of ``host``. RuntimeError when there is none, or the request failed."""
        rank = self._rank_of[host]
        state = self.leaders[rank]
        if state.gone:
            raise RuntimeError(f"{host}: {state.error}")
        answer = self._inbox.ask([rank], do, timeout_s, **fields).get(rank)
        if answer is None:
            state.mark_lost(f"no answer within {timeout_s:g} s")
            raise RuntimeError(f"{host}: {state.error}")
        if "error" in answer:
            state.error = None  # an error of this spool, not of the host
            raise RuntimeError(answer["error"])
        return answer

    def _bounds(self, host: HostState) -> TableBounds:
        return self._adopted_bounds[host.key]

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Open a spool on ``host`` and return its RecoveredSpool.about."""
        rank = self._rank_of[host]
        self.leaders[rank].key = key
        if not rank:
            self._adopted = None  # the map of the previous one holds its lock
            self._adopted = RecoveredSpool(place, run, key)
            return self._adopted.about()
        answer = self._request(host, "adopt", _ADOPT_S, spool_dir=place, run=run, key=key)
        about: dict[str, Any] = answer["about"]
        self._adopted_bounds[key] = recovered_bounds(key, run, about)
        return about

    def take_adopted(self, host: str, sink: Sink) -> None:
        """Put the table of the adopted spool into ``sink``."""
        rank = self._rank_of[host]
        if not rank:
            assert self._adopted is not None
            try:
                members = self._adopted.pack(False)
            except SpoolError as e:
                raise RuntimeError(str(e)) from e
            write_host(sink, self._adopted.key, members)
            return
        packed = self._request(host, "pack", self.options.gather_timeout_s, json=False)
        assert self._gathering is not None
        state = self.leaders[rank]
        state.collected = False
        self._gathering.receive(rank, packed, sink)
        if not state.collected:
            why = state.error
            if not state.gone:
                state.error = None  # an error of this spool, not of the host
            raise RuntimeError(f"{host}: {why}")

    def drop_adopted(self, host: str) -> None:
        """Remove the adopted spool: its table is safely on disk."""
        if self._rank_of[host]:
            self._request(host, "discard", _DISCARD_S)
            return
        assert self._adopted is not None
        self._adopted.discard()
        self._adopted = None

    def poll(self) -> bool:
        """No-op: nothing is sampled."""
        return False

    def detach(self, why: str = "") -> None:
        del why
        self._adopted = None
        self._give_up_claim()

    def close(self, saved: bool, why: str = "") -> bool:
        """Release every rank. True when none is missing."""
        del saved, why
        self._adopted = None
        self._give_up_claim()
        return self.release_all()
