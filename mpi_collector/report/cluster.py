"""Many hosts as one: totals on the common grid of ticks, and what is kept of each host.

Hosts are aggregated one after the other; a few numbers of each are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.store.figures import BY_NAME, FIGURES, derive
from mpi_collector.store.figures.base import Derived, Series
from mpi_collector.store.figures.devices import Counted
from mpi_collector.store.host import Float64, Int64
from mpi_collector.store.recording import Recording


class HostValue(NamedTuple):
    """One figure of one host over the whole run."""

    mean: float
    peak: float
    minimum: float


@dataclass
class HostFigures:
    """What is kept of a host.

    ``limits``: {figure: share of the known time in which it was at its limit}, of figures that have
    one.
    """

    key: str
    figures: dict[str, HostValue]
    block: Counted
    net: Counted
    cpus: int | None
    memory_bytes: float
    notes: list[str]
    limits: dict[str, float]


@dataclass
class Total:
    """A figure of all hosts together.

    ``values``: (slots,), NaN where no host knows it. ``hosts``: (slots,) how many hosts know it.
    ``coverage``: known host seconds / host seconds of the recording.
    """

    values: Float64
    hosts: Int64
    mean: float
    peak: float
    coverage: float


@dataclass
class Cluster:
    """All hosts of a recording.

    ``begin_ns``, ``end_ns``: (slots,) of the common grid, UTC ns; the last slot may be the one up
    to the stop.
    """

    begin_ns: Int64
    end_ns: Int64
    span_s: float
    totals: dict[str, Total]
    hosts: list[HostFigures] = field(default_factory=list)


class RunIntervals:
    """The slots of a run: one per interval between ticks that any host kept, one up to the stop.

    ``ticks``: (slots + 1,) the ticks at their borders, without that of the stop. ``stop_slot``: the
    slot up to the stop, None when no host recorded its stop.
    """

    def __init__(self, recording: Recording) -> None:
        run = recording.run
        seen: set[int] = set()
        stops = []
        for key in recording:
            host = recording.fresh(key)
            tick = host.tick
            seen.update(tick[tick != STOP_TICK].tolist())
            if len(tick) and tick[-1] == STOP_TICK:
                stops.append(int(host.timestamp_ns[-1]))
        self.ticks: Int64 = np.array(sorted(seen), dtype=np.int64)
        times = run["start_ns"] + self.ticks * run["interval_ns"]
        if stops and len(times):
            times = np.append(times, max(int(np.median(stops)), int(times[-1])))
        self.begin_ns: Int64 = times[:-1]
        self.end_ns: Int64 = times[1:]
        self.slots = len(self.end_ns)
        self.stop_slot = self.slots - 1 if stops and self.slots else None

    def to_slots(self, host: Derived, values: Float64) -> Float64:
        """Return (slots,) of a host's (intervals,), NaN where it has no interval.

        An interval that spans missed ticks fills all of its slots.
        """
        out = np.full(self.slots, np.nan)
        on_grid = host.tick != STOP_TICK
        ends = host.tick[on_grid]
        shown = values[on_grid]
        wanted = self.ticks[1:]
        at = np.searchsorted(ends, wanted)
        inside = (at < len(ends)) & (wanted > host.first_tick)
        out[: len(wanted)][inside] = shown[at[inside]]
        if self.stop_slot is not None and len(host.tick) and host.tick[-1] == STOP_TICK:
            out[self.stop_slot] = values[-1]
        return out


class _FigureTotal:
    """One figure while hosts are added. ``sums``: hosts are summed, not averaged."""

    def __init__(self, slots: int, sums: bool) -> None:
        self._sums = sums
        self._amounts: Float64 = np.zeros(slots)
        self._weights: Float64 = np.zeros(slots)
        self._hosts: Int64 = np.zeros(slots, dtype=np.int64)
        self._amount = 0.0
        self._weight = 0.0
        self._known_s = 0.0

    def add(self, series: Series, values: Float64, weight: Float64) -> None:
        """Add a host. ``values``, ``weight``: (slots,)."""
        known = np.isfinite(values) & np.isfinite(weight)
        self._amounts[known] += values[known] * (1.0 if self._sums else weight[known])
        self._weights[known] += weight[known]
        self._hosts[known] += 1
        if series.weight_sum > 0:
            self._amount += series.mean * (series.known_s if self._sums else series.weight_sum)
            self._weight += series.weight_sum
            self._known_s += series.known_s

    def total(self, span_s: float, host_s: float, stop_slot: int | None, hosts: int) -> Total:
        """Return the figure of all hosts. ``host_s``: the recorded seconds of all of them."""
        with np.errstate(divide="ignore", invalid="ignore"):
            combined = self._amounts if self._sums else self._amounts / self._weights
            values = np.where(self._hosts > 0, combined, np.nan)
        below = span_s if self._sums else self._weight
        mean = self._amount / below if below > 0 and self._known_s > 0 else float("nan")
        if stop_slot is not None and 0 < self._hosts[stop_slot] < hosts and len(values) > 1:
            values[stop_slot] = np.nan  # some hosts' last interval was too short to be shown
        known = values[np.isfinite(values)]
        return Total(
            values=values,
            hosts=self._hosts,
            mean=mean,
            peak=float(known.max()) if len(known) else mean,
            coverage=self._known_s / host_s if host_s > 0 else 0.0,
        )


def _host_figures(d: Derived) -> HostFigures:
    limits = {}
    for name, series in d.series.items():
        limit = BY_NAME[name].limit
        if limit is not None and series.known_s > 0:
            known = np.isfinite(series.values)
            limits[name] = float((series.values[known] >= limit).mean()) if known.any() else 0.0
    return HostFigures(
        key=d.key,
        figures={n: HostValue(s.mean, s.peak, s.minimum) for n, s in d.series.items()},
        block=d.block,
        net=d.net,
        cpus=d.cpus,
        memory_bytes=d.memory_bytes,
        notes=d.notes,
        limits=limits,
    )


def derive_hosts(recording: Recording) -> Iterator[Derived]:
    """Yield the figures of each host, with one host's rows in memory at a time."""
    for key in recording:
        yield derive(recording.fresh(key))


def aggregate_hosts(
    recording: Recording, visit: Callable[[RunIntervals, Derived], None] | None = None
) -> Cluster:
    """Return the figures of all hosts. ``visit``: called with each host, to keep more of it."""
    intervals = RunIntervals(recording)
    sums = {f.name: _FigureTotal(intervals.slots, f.across == "sum") for f in FIGURES}
    hosts: list[HostFigures] = []
    span_s = 0.0
    host_s = 0.0
    for d in derive_hosts(recording):
        span_s = max(span_s, d.span_s)
        host_s += d.span_s
        for name, series in d.series.items():
            values = intervals.to_slots(d, series.values)
            sums[name].add(series, values, intervals.to_slots(d, series.weight))
        hosts.append(_host_figures(d))
        if visit is not None:
            visit(intervals, d)
    recorded = {n for h in hosts for n in h.figures}
    totals = {
        f.name: sums[f.name].total(span_s, host_s, intervals.stop_slot, len(hosts))
        for f in FIGURES
        if f.name in recorded
    }
    return Cluster(intervals.begin_ns, intervals.end_ns, span_s, totals, hosts)
