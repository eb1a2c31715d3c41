"""Ticks of a time series of the suite: which sample belongs to which, and which were due."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import NamedTuple

from mpi_collector.node.row.layout import STOP_TICK

_TICK_MAX = 1 << 40
_SECOND_NS = 1_000_000_000


class DueTicks(NamedTuple):
    """Samples were due at the multiples of 2^``level`` from ``first`` to ``last``."""

    first: int
    last: int
    level: int

    @property
    def total(self) -> int:
        """How many were due on each host."""
        return len(range(self.first, self.last + 1, 1 << self.level))


class Span(NamedTuple):
    """The times of a run, ns."""

    interval_ns: int
    start_ns: int  #: UTC of tick 0
    begin_ns: int | None  #: UTC, when the collector was started, cut to a second; None: unknown
    end_ns: int | None  #: and stopped


def own_ticks(ticks: list[object]) -> list[int] | None:
    """Return the ticks of a file of this program, the stop row last; None for senseless ones."""
    stop = [STOP_TICK] if ticks[-1:] == [STOP_TICK] else []
    grid = [t for t in ticks[: len(ticks) - len(stop)] if isinstance(t, int) and 0 <= t < _TICK_MAX]
    if not grid or len(grid) + len(stop) < len(ticks) or any(a >= b for a, b in pairwise(grid)):
        return None
    return [*grid, *stop]


def ticks_by_time(times_ns: list[int], start_ns: int, interval_ns: int) -> list[int]:
    """Return the tick next to each time; each later than the one before."""
    ticks: list[int] = []
    for time_ns in times_ns:
        nearest = (time_ns - start_ns + interval_ns // 2) // interval_ns
        ticks.append(max(nearest, ticks[-1] + 1) if ticks else nearest)
    return ticks


def due_ticks(ticks: Sequence[int], own: bool, span: Span) -> DueTicks:
    """Return the ticks at which a sample was due.

    They follow from the interval and the span of the run, and from ``ticks``, the samples of all
    hosts: what one host has was due on every one. ``own``: the ticks are those of the file.
    """
    every = [t for t in ticks if t != STOP_TICK]
    if not every:
        return DueTicks(0, -1, 0)
    doubt_ns = _SECOND_NS if span.interval_ns < _SECOND_NS else 0  # times are cut to seconds
    lasted_ns = 0 if span.end_ns is None else span.end_ns - span.start_ns - doubt_ns
    last = max([*every, min(lasted_ns // span.interval_ns, _TICK_MAX)])
    if own:
        # with a full array this program keeps the multiples of a power of two
        kept = reduce(or_, every)
        return DueTicks(min(every), last, (kept & -kept).bit_length() - 1 if kept else 0)
    first = min(every)
    if span.begin_ns is not None:  # all hosts may have begun late
        late_ns = max(span.start_ns - span.begin_ns - _SECOND_NS, 0)
        first = min(first, -min(late_ns // span.interval_ns, _TICK_MAX))
    return DueTicks(first, last, 0)
