"""Rank 0 measures the clocks of the leaders.

All of them before and after a run, a few at a time during it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import HostState

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World

ECHOES = 25  #: round trips of one measurement
GROUP = 16  #: leaders that measure at the same time
EVERY_NS = 180_000_000_000  #: between two measurements of one leader
_TIMEOUT_S = 3.0
_PAUSE_NS = 1_000_000_000  #: between two groups while the job runs


class LeaderClocks:
    """Measures how far the leaders' clocks are from that of rank 0.

    ``leaders``: {rank: state}, of which ``alive`` lists those that answer. ``now_ns``: the
    monotonic clock.
    """

    def __init__(
        self,
        world: World,
        inbox: Inbox,
        leaders: dict[int, HostState],
        alive: Callable[[], list[int]],
        now_ns: Callable[[], int] = mono_ns,
    ) -> None:
        self._world = world
        self._inbox = inbox
        self._leaders = leaders
        self._alive = alive
        self._now_ns = now_ns
        self._begun_ns = now_ns()
        self._left: list[int] = []
        self._group_ns = self._begun_ns  # when a group was measured last

    def measure_all(self) -> None:
        """Measure every leader, ``GROUP`` at a time."""
        self._begin(self._alive())
        while self._left:
            self._measure_group()

    def measure_due(self) -> None:
        """Measure the next few leaders if it is time, and let them sleep again.

        Only a few per call: a sleeping leader answers late, and rank 0 is to notice the end of the
        job in time.
        """
        if self._now_ns() - self._begun_ns > EVERY_NS:
            self._begin(self._left or self._reachable())
        if self._left:
            for rank in self._measure_group():
                self._world.send(rank, do="idle")

    def due_ns(self) -> int | None:
        """Return when ``measure_due`` has something to do; None: there is nobody to measure."""
        if self._left:
            return self._group_ns + _PAUSE_NS
        return self._begun_ns + EVERY_NS + 1 if self._reachable() else None

    def _reachable(self) -> list[int]:
        """Return the leaders that will answer: waiting for others would hold up the stop."""
        return [rank for rank in self._alive() if not self._leaders[rank].cut_off]

    def _begin(self, ranks: list[int]) -> None:
        self._begun_ns = self._now_ns()
        self._left = ranks

    def _measure_group(self) -> list[int]:
        group = self._left[:GROUP]
        self._left = self._left[GROUP:]
        for rank in group:
            self._world.send(rank, do="measure_clock")
        self._world.serve_echoes(group, ECHOES, _TIMEOUT_S)
        for rank, answer in self._inbox.wait_for(group, "measure_clock", _TIMEOUT_S).items():
            self._leaders[rank].clock_bound_ns = answer.get("bound_ns")
        self._group_ns = self._now_ns()
        return group
