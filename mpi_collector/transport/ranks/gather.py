"""Rank 0 receives the packed tables of the leaders, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpi_collector.errors import PeerLostError
from mpi_collector.transport.base import HostState, MemberSplitter, Sink

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World


class TableGathering:
    """Receives tables. A leader that says nothing for ``timeout_s`` is lost."""

    def __init__(
        self, world: World, inbox: Inbox, leaders: dict[int, HostState], timeout_s: float
    ) -> None:
        self._world = world
        self._inbox = inbox
        self._leaders = leaders
        self._timeout_s = timeout_s

    def receive_each(self, ranks: set[int], sink: Sink, progress: Callable[[int], object]) -> None:
        """Receive the tables of ``ranks``, which are packing them, in the order they are ready.

        ``progress`` is called with 1, 2, ... before each wait for the next one.
        """
        waiting = set(ranks)
        while waiting:
            progress(len(ranks) - len(waiting) + 1)
            packed = self._inbox.wait_for_one(waiting, "pack", self._timeout_s)
            if packed is None:
                for rank in waiting:
                    self._leaders[rank].mark_lost(f"sent nothing within {self._timeout_s:g} s")
                break
            rank, message = packed
            waiting.discard(rank)
            if "error" not in message:
                self._leaders[rank].facts = message["facts"]
                self.receive(rank, message["heads"], sink)

    def receive(self, rank: int, heads: list[dict[str, Any]], sink: Sink) -> None:
        """Have ``rank`` send its packed members, and put them into ``sink``."""
        host = self._leaders[rank]
        self._world.send(rank, do="send")
        sink.begin_host(host.key)
        splitter = MemberSplitter(heads, sink)
        try:
            self._world.receive_stream(rank, splitter.total, splitter.feed, self._timeout_s)
        except PeerLostError as e:
            sink.drop_host()
            host.mark_lost(f"sent only a part of its table: {e}")
            return
        try:
            sink.end_host()
        except RuntimeError as e:
            host.error = str(e)
            return
        host.collected = True
