"""Rank 0 asks the leaders for live vectors (``--live``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.live_feed import LiveFeed
from mpi_collector.transport.ranks.leaders import Leaders
from mpi_collector.transport.ranks.messages import answer_fields

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World


class LeaderVectors:
    """Asks, and takes what has come into ``feed``; nothing here waits."""

    def __init__(
        self, options: SamplingOptions, world: World | None, inbox: Inbox, leaders: Leaders
    ) -> None:
        self._world = world
        self._inbox = inbox
        self.feed = LiveFeed(options)
        self._leaders = leaders

    def turn(self, own: Callable[[], dict[str, Any]]) -> None:
        """Take the answers, and ask when it is time. ``own``: makes the vector of this host."""
        if not self.feed.period_ns:
            return
        alive = [r for r in self._leaders.alive() if self._leaders[r].sampling]
        for rank in alive:
            message = self._inbox.take(rank, "live")
            if message is not None and "error" not in message:
                self.feed.put(self._leaders[rank].key, answer_fields(message))
        if self.feed.is_due():
            self.feed.put(self._leaders[0].key, own())
            for rank in alive:
                if self._world is not None and not self._leaders[rank].cut_off:
                    self._world.send(rank, do="live")
