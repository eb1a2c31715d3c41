"""Rank 0 asks the leaders for live vectors (``--live``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpi_collector.transport.live_feed import LiveFeed
from mpi_collector.transport.ranks.leaders import Leaders
from mpi_collector.transport.ranks.messages import answer_fields

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World


class LeaderVectors:
    """Asks, and takes what has come; nothing here waits. ``own``: makes the vector of rank 0."""

    def __init__(
        self,
        world: World | None,
        inbox: Inbox,
        feed: LiveFeed,
        leaders: Leaders,
        own: Callable[[], dict[str, Any]],
    ) -> None:
        self._world = world
        self._inbox = inbox
        self._feed = feed
        self._leaders = leaders
        self._own = own

    def turn(self) -> None:
        """Take the answers, and ask when it is time."""
        if not self._feed.period_ns:
            return
        alive = [r for r in self._leaders.alive() if self._leaders[r].sampling]
        for rank in alive:
            message = self._inbox.take(rank, "live")
            if message is not None and "error" not in message:
                self._feed.put(self._leaders[rank].key, answer_fields(message))
        if self._feed.is_due():
            self._feed.put(self._leaders[0].key, self._own())
            for rank in alive:
                if self._world is not None and not self._leaders[rank].cut_off:
                    self._world.send(rank, do="live")
