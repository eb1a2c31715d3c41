"""Intervals of a host that lie in a window, wholly or in part, and counters interpolated at edges.

A window is one stretch of time or several. Its outer intervals are clipped: a counter has a value
at every moment, and what grew in a part of an interval is the difference of two such values. That
value depends on the recording alone, not on the window, so windows that tile a run share its growth
without a rest. Between two rows a counter is taken to have grown

* evenly, at the rates of the intervals before and after, with one change from the first rate to
  the second, where that explains the growth: work that began or ended between two samples;
* where marks of the run lie between the rows, so that the first and the last part have the rates of
  the intervals before and after (unless marks lie there, too), and the parts in between the rest;
* evenly, where nothing else is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Stretch = tuple[int, int]  #: begin and end, UTC ns

_SHORT_S = 0.1  #: an interval at an edge that is shorter is shown together with its neighbour
_SHORT_SHARE = 0.1  #: the same for a part of an interval, by its share


def union(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return stretches that cover the same time without overlap, in order; empty ones are gone."""
    out: list[Stretch] = []
    for begin, end in sorted(stretches):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        elif end > begin:
            out.append((begin, end))
    return out


class Clip:
    """The intervals between rows that a window covers.

    ``intervals``: (kept,) index of each among those between all rows. ``seconds``: (kept,) time in
    the window, NaN where rows do not follow each other in time. ``begin_ns``, ``end_ns``: (kept,)
    UTC ns, of the covered part. ``starts``: index among the kept ones of the first of each interval
    that is shown; short ones at an edge are shown together with their neighbour.
    """

    def __init__(
        self,
        times: Int64,
        stretches: Sequence[Stretch] | None = None,
        knots: Sequence[int] = (),
        ends_at_stop: bool = False,
    ) -> None:
        """``times``: (rows,) UTC ns. ``stretches``: None for all rows. ``knots``: marks, sorted."""
        self._times = times
        self._knots = np.asarray(knots, dtype=np.int64)
        whole: Float64 = np.diff(times) * 1e-9
        whole[whole <= 0] = np.nan
        self._whole_s = whole
        #: {kept: its parts}, of those that are covered in part
        self._parts: dict[int, list[Stretch]] = {}
        if stretches is None:
            self.intervals: Index = np.arange(len(whole))
            self.seconds = whole
            self.begin_ns: Int64 = times[:-1]
            self.end_ns: Int64 = times[1:]
        else:
            self._cover(union(stretches))
        self.starts = self._shown(ends_at_stop)

    def _cover(self, stretches: Sequence[Stretch]) -> None:
        """Find the intervals in ``stretches``, which are in order and apart from each other."""
        parts: dict[int, list[Stretch]] = {}
        for begin, end in stretches:
            first = max(int(np.searchsorted(self._times, begin, side="right")) - 1, 0)
            last = int(np.searchsorted(self._times, end, side="left"))
            for i in range(first, min(last, len(self._times) - 1)):
                part = (max(begin, int(self._times[i])), min(end, int(self._times[i + 1])))
                if part[1] > part[0]:
                    parts.setdefault(i, []).append(part)
        self.intervals = np.array(sorted(parts), dtype=np.intp)
        self.begin_ns = np.array([parts[i][0][0] for i in self.intervals], dtype=np.int64)
        self.end_ns = np.array([parts[i][-1][1] for i in self.intervals], dtype=np.int64)
        self.seconds = self._whole_s[self.intervals]
        for kept, i in enumerate(self.intervals.tolist()):
            covered = sum(end - begin for begin, end in parts[i])
            if covered < self._times[i + 1] - self._times[i]:
                self.seconds[kept] = covered * 1e-9
                self._parts[kept] = parts[i]

    def _shown(self, ends_at_stop: bool) -> Index:
        """Return the kept intervals at which a shown one begins."""
        n = len(self.intervals)
        starts = np.ones(n, dtype=bool)
        known = self.seconds[np.isfinite(self.seconds)]
        usual_s = float(np.median(known)) if len(known) else 0.0

        def short(kept: int) -> bool:
            seconds = self.seconds[kept]
            part = (
                kept in self._parts and seconds < _SHORT_SHARE * self._whole_s[self.intervals[kept]]
            )
            return bool(part or (seconds < _SHORT_S and seconds < 0.5 * usual_s))

        for kept in self._parts:
            if short(kept):
                self._join(kept, starts)
        if ends_at_stop and n > 1 and n - 1 not in self._parts and short(n - 1):
            starts[n - 1] = False
        return np.flatnonzero(starts)

    def _join(self, kept: int, starts: npt.NDArray[np.bool_]) -> None:
        """Show a part of an interval together with the interval beside it in its stretch."""
        follows = kept + 1 < len(starts) and self.begin_ns[kept + 1] == self.end_ns[kept]
        comes_before = kept > 0 and self.end_ns[kept - 1] == self.begin_ns[kept]
        if comes_before:
            starts[kept] = False
        elif follows:
            starts[kept + 1] = False

    def growth(self, whole: Float64) -> Float64:
        """Return the growth in the window, (kept,), of a counter's growth between all rows."""
        out = whole[self.intervals]
        for kept, parts in self._parts.items():
            grown = out[kept]
            if math.isfinite(grown):
                out[kept] = self._in_parts(int(self.intervals[kept]), parts, whole)
        return out

    def _in_parts(self, i: int, parts: Sequence[Stretch], whole: Float64) -> float:
        begin, end = int(self._times[i]), int(self._times[i + 1])
        inside = self._marks(begin + 1, end - 1)
        # a rate holds beyond a row only up to the next mark
        before = math.nan if self._marks(self._time(i - 1) + 1, begin) else self._rate(i - 1, whole)
        after = math.nan if self._marks(end, self._time(i + 2) - 1) else self._rate(i + 1, whole)
        bounds = [0.0, *((t - begin) * 1e-9 for t in inside), (end - begin) * 1e-9]
        curve = _Curve(bounds, float(whole[i]), before, after)
        return sum(curve.at((b - begin) * 1e-9) - curve.at((a - begin) * 1e-9) for a, b in parts)

    def _marks(self, first_ns: int, last_ns: int) -> list[int]:
        """Return the marks from ``first_ns`` to ``last_ns``, both included."""
        first = int(np.searchsorted(self._knots, first_ns))
        last = int(np.searchsorted(self._knots, last_ns, side="right"))
        return [int(t) for t in self._knots[first:last]]

    def _time(self, row: int) -> int:
        return int(self._times[min(max(row, 0), len(self._times) - 1)])

    def _rate(self, i: int, whole: Float64) -> float:
        """Return the rate of an interval, NaN where there is none or it is unknown."""
        if not 0 <= i < len(whole):
            return math.nan
        rate = float(whole[i] / self._whole_s[i])
        return rate if rate >= 0 else math.nan


class _Curve:
    """The growth of a counter since a row, at any time before the next row.

    ``bounds``: seconds, of the row, the marks and the next row. ``before``, ``after``: the rates of
    the neighbouring intervals, NaN where unknown.
    """

    def __init__(self, bounds: Sequence[float], grown: float, before: float, after: float) -> None:
        self._bounds = list(bounds)
        if len(bounds) == 2:
            change = _change(bounds[1], grown, before, after)
            if change is None:
                self._values = [0.0, grown]
            else:
                self._bounds = [0.0, change, bounds[1]]
                self._values = [0.0, before * change, grown]
            return
        durations = [b - a for a, b in pairwise(bounds)]
        self._values = [0.0]
        for growth in _split(durations, grown, before, after):
            self._values.append(self._values[-1] + growth)
        self._values[-1] = grown

    def at(self, seconds: float) -> float:
        return float(np.interp(seconds, self._bounds, self._values))


def _change(seconds: float, grown: float, before: float, after: float) -> float | None:
    """Return when the rate must have changed from ``before`` to ``after``; None: that is no way."""
    if not (math.isfinite(before) and math.isfinite(after)) or before == after or grown < 0:
        return None
    at = (after * seconds - grown) / (after - before)
    return at if 0 <= at <= seconds else None


def _split(durations: Sequence[float], grown: float, before: float, after: float) -> list[float]:
    """Return the growth of each part of an interval, two or more; their sum is ``grown``."""
    seconds = sum(durations)
    even = [grown * d / seconds for d in durations]
    if grown <= 0 or (math.isnan(before) and math.isnan(after)):
        return even
    first = before * durations[0]
    last = after * durations[-1]
    if len(durations) == 2:
        if math.isnan(first):
            first = grown - min(last, grown)
        elif math.isnan(last):
            first = min(first, grown)
        elif first + last > 0:
            first = grown * first / (first + last)
        else:
            return even
        return [first, grown - first]
    first = even[0] if math.isnan(first) else first
    last = even[-1] if math.isnan(last) else last
    outer = first + last
    if outer > grown:
        first, last = grown * first / outer, grown * last / outer
    rest = max(grown - first - last, 0.0)
    inner = sum(durations[1:-1])
    return [first, *(rest * d / inner for d in durations[1:-1]), last]
