"""What dead runs left on the hosts of a launch: every host's first rank offers it, rank 0 takes it."""

from __future__ import annotations

from typing import Any

from mpi_collector.node.errors import SpoolError
from mpi_collector.node.spool.directory import find_spools
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.transport.base import Sink
from mpi_collector.transport.ranks.coordinator import Coordinator


class RankRecovery(Coordinator):
    """``spools``, then one after the other ``adopt``, ``take_adopted`` and ``drop_adopted``; ``dismiss`` in the end.

    A host is named by its key. RuntimeError when it cannot do what it is asked to, or does not answer any more.
    """

    _own: RecoveredSpool | None = None

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """{host: [{"dir", "run", "key", "bytes", "mtime", "alive"}]} of the hosts that answer."""
        self._meet()
        self._by_name = {host.key: rank for rank, host in self.leaders.items()}
        places = self.options.places
        answers = self._ask(
            self._alive(), "spools", self.options.start_timeout_s, type="spools", places=places
        )
        self.unreached = {f"rank {rank}": "sent no hello" for rank in self.missing_ranks}
        found = {self.leaders[0].key: [s for place in places for s in find_spools(place)]}
        for rank in self._alive():
            host = self.leaders[rank]
            if rank not in answers:
                host.mark_lost(f"no answer within {self.options.start_timeout_s:g} s")
                self.unreached[host.key] = host.error or ""
            else:
                found[host.key] = answers[rank]["spools"]
        return found

    def _request(self, host: str, answer: str, timeout_s: float, **message: Any) -> dict[str, Any]:
        rank = self._by_name[host]
        state = self.leaders[rank]
        if state.gone:
            raise RuntimeError(f"{host}: {state.error}")
        got = self._ask([rank], answer, timeout_s, **message).get(rank)
        if got is None:
            state.mark_lost(f"no answer within {timeout_s:g} s")
            raise RuntimeError(f"{host}: {state.error}")
        if got["type"] == "failed":
            state.error = None  # of this spool, not of the host
            raise RuntimeError(got["error"])
        return got

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Have ``host`` take a spool; what the run's document needs of it."""
        self.leaders[self._by_name[host]].key = key
        if not self._by_name[host]:
            self._own = None  # the map of the one before holds its lock
            self._own = RecoveredSpool(place, run, key)
            return self._own.about()
        about = self._request(
            host, "adopted", 60.0, type="adopt", spool_dir=place, run=run, key=key
        )["about"]
        return dict(about)

    def take_adopted(self, host: str, sink: Sink) -> None:
        """The adopted spool's table into ``sink``."""
        rank = self._by_name[host]
        if not rank:
            assert self._own is not None
            try:
                members = self._own.pack(False)
            except SpoolError as e:
                raise RuntimeError(str(e)) from e
            sink.begin_host(self._own.key)
            for member in members:
                sink.begin(member.head())
                for chunk in member.chunks:
                    sink.write(chunk)
            sink.end_host()
            return
        heads = self._request(
            host, "packed", self.options.gather_timeout_s, type="pack", json=False
        )["heads"]
        self._receive(rank, heads, sink)
        if self.leaders[rank].gone:
            raise RuntimeError(f"{host}: {self.leaders[rank].error}")

    def drop_adopted(self, host: str) -> None:
        """It is safely on disk: remove it there."""
        if not self._by_name[host]:
            assert self._own is not None
            self._own.discard()
            self._own = None
            return
        self._request(host, "discarded", 30.0, type="discard")

    def poll(self) -> bool:
        return False

    def detach(self) -> None:
        self._own = None

    def close(self, saved: bool) -> bool:
        """Let everybody go. True when nobody is missing."""
        del saved
        self._own = None
        assert self.world is not None
        gone = {r for r, h in self.leaders.items() if h.gone} | set(self.missing_ranks)
        return self._let_go(set(range(1, self.world.size)) - gone) and not gone
