"""Rank 0 fetches what has changed in the leaders' spools while the job runs (``--replicate``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from mpi_collector.errors import PeerLostError
from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import HostState
from mpi_collector.transport.replicas import Replicas

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World


_ARRIVING_NS = 20_000_000  #: MPI moves large messages on only while it is called


class Arriving(NamedTuple):
    """A change set that is on its way. ``arrived`` returns its bytes once they are there."""

    doc: dict[str, Any]
    arrived: Callable[[], bytearray | None]


class LeaderReplication:
    """Asks the leaders for change sets and applies them.

    Nothing here waits: what has not come is taken later.
    """

    def __init__(
        self,
        world: World,
        inbox: Inbox,
        replicas: Replicas,
        leaders: dict[int, HostState],
        alive: Callable[[], list[int]],
    ) -> None:
        self._world = world
        self._inbox = inbox
        self._replicas = replicas
        self._leaders = leaders
        self._alive = alive
        self._arriving: dict[int, Arriving] = {}
        self._flushed = False
        self._turned_ns = 0

    def turn(self) -> None:
        """Take what has come, and ask for more when it is time.

        One turn before it asks, it has the leaders decode their staged samples.
        """
        self._turned_ns = mono_ns()
        self._take_answers()
        self._apply_arrived()
        if self._replicas.due():
            self._flushed = False
            for rank in self._alive():
                if rank not in self._arriving:
                    self._ask(rank)
        if self._replicas.due_next_turn() and not self._flushed:
            self._flushed = True
            for rank in self._alive():
                self._world.send(rank, do="flush")

    def due_ns(self) -> int | None:
        """Return when ``turn`` has something to do; None: only when an answer has come."""
        if self._arriving:
            return self._turned_ns + _ARRIVING_NS
        return self._replicas.next_turn_ns(self._flushed)

    def _ask(self, rank: int) -> None:
        number = self._replicas.last_number(self._leaders[rank].key)
        self._world.send(rank, do="replicate", got=number)

    def _take_answers(self) -> None:
        for rank, host in self._leaders.items():
            if not rank or host.error is not None:
                continue
            message = self._inbox.take(rank, "replicate")
            if message is not None and "error" not in message:
                arrived = self._world.receive_blob(rank, message["bytes"])
                self._arriving[rank] = Arriving(message["doc"], arrived)

    def _apply_arrived(self) -> None:
        for rank, change_set in list(self._arriving.items()):
            host = self._leaders[rank]
            try:
                blob = change_set.arrived()
            except PeerLostError as e:
                del self._arriving[rank]
                host.mark_lost(str(e))
                continue
            if blob is None:
                continue
            del self._arriving[rank]
            key = host.key
            self._replicas.apply(key, change_set.doc, blob)
            if change_set.doc["more"] and key not in self._replicas.failures:
                self._ask(rank)
