"""Many hosts as one: totals on the common grid, the spread over the hosts, and the hosts that stand out.

Hosts are folded in one after the other; what stays of each is a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.store.figures.derive import BY_NAME, FIGURES, Counted, Derived, Series, derive
from mpi_collector.store.recording import Float64, Int64, Recording

#: from when on something is said to be at its limit, in percent
LIMITS = {"utilisation_max_percent": 95.0, "cpu_busy_percent": 90.0, "cpu_iowait_percent": 30.0}


@dataclass
class HostFigures:
    """What is kept of a host: {figure: (mean, peak, minimum)} and what was counted."""

    key: str
    figures: dict[str, tuple[float, float, float]]
    block: Counted
    net: Counted
    cpus: int | None
    memory_bytes: float
    notes: list[str]
    limits: dict[str, float]  #: share of the known time at the limit


@dataclass
class Total:
    """A figure of all hosts. ``values``: (slots,), NaN where no host knows it; ``hosts``: (slots,) how many do."""

    values: Float64
    hosts: Int64
    mean: float
    peak: float
    coverage: float  #: known host seconds / host seconds of the recording


@dataclass
class Cluster:
    """``end_ns``, ``begin_ns``: (slots,) of the common grid, UTC ns; the last slot may be the one up to the stop."""

    begin_ns: Int64
    end_ns: Int64
    span_s: float
    totals: dict[str, Total]
    hosts: list[HostFigures] = field(default_factory=list)


class RunIntervals:
    """The slots of a run: one per interval between ticks that any host kept, and a last one up to the stop."""

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
        self.ticks = np.array(sorted(seen), dtype=np.int64)
        times = run["start_ns"] + self.ticks * run["interval_ns"]
        if stops and len(times):
            times = np.append(times, max(int(np.median(stops)), int(times[-1])))
        self.begin_ns, self.end_ns = times[:-1], times[1:]
        self.slots = len(self.end_ns)
        self.stop_slot = self.slots - 1 if stops and self.slots else None

    def spread(self, d: Derived, values: Float64) -> Float64:
        """(slots,) from (intervals,): an interval that spans missed ticks fills all of its slots."""
        out = np.full(self.slots, np.nan)
        on_grid = d.tick != STOP_TICK
        ends, shown = d.tick[on_grid], values[on_grid]
        wanted = self.ticks[1:]
        at = np.searchsorted(ends, wanted)
        inside = (at < len(ends)) & (wanted > d.first_tick)
        out[: len(wanted)][inside] = shown[at[inside]]
        if self.stop_slot is not None and len(d.tick) and d.tick[-1] == STOP_TICK:
            out[self.stop_slot] = values[-1]
        return out


class _Sum:
    """One figure while the hosts come in."""

    def __init__(self, slots: int) -> None:
        self.over, self.under = np.zeros(slots), np.zeros(slots)
        self.hosts = np.zeros(slots, dtype=np.int64)
        self.amount = self.weight = self.known_s = 0.0

    def add(self, series: Series, values: Float64, weight: Float64, total: bool) -> None:
        known = np.isfinite(values) & np.isfinite(weight)
        self.over[known] += values[known] * (1.0 if total else weight[known])
        self.under[known] += weight[known]
        self.hosts[known] += 1
        if series.weight_sum > 0:
            self.amount += series.mean * (series.known_s if total else series.weight_sum)
            self.weight += series.weight_sum
            self.known_s += series.known_s

    def total(
        self, sums: bool, span_s: float, host_s: float, stop_slot: int | None, hosts: int
    ) -> Total:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(self.hosts > 0, self.over if sums else self.over / self.under, np.nan)
        below = span_s if sums else self.weight
        mean = self.amount / below if below > 0 and self.known_s > 0 else float("nan")
        if stop_slot is not None and 0 < self.hosts[stop_slot] < hosts and len(values) > 1:
            values[stop_slot] = np.nan  # some hosts' last interval was too short to be shown
        known = values[np.isfinite(values)]
        peak = float(known.max()) if len(known) else mean
        return Total(values, self.hosts, mean, peak, self.known_s / host_s if host_s > 0 else 0.0)


def _kept(d: Derived) -> HostFigures:
    limits = {}
    for name, limit in LIMITS.items():
        series = d.series.get(name)
        if series is not None and series.known_s > 0:
            known = np.isfinite(series.values)
            limits[name] = float((series.values[known] >= limit).mean()) if known.any() else 0.0
    figures = {n: (s.mean, s.peak, s.minimum) for n, s in d.series.items()}
    return HostFigures(d.key, figures, d.block, d.net, d.cpus, d.memory_bytes, d.notes, limits)


def derive_hosts(recording: Recording) -> Iterator[Derived]:
    """The figures of each host; only one host's table is in memory at a time."""
    for key in recording:
        yield derive(recording.fresh(key))


def aggregate_hosts(
    recording: Recording, look: Callable[[RunIntervals, Derived], Any] = lambda grid, d: None
) -> Cluster:
    """All hosts. ``look(grid, derived)`` sees each of them, for what else is to be kept."""
    grid = RunIntervals(recording)
    sums = {f.name: _Sum(grid.slots) for f in FIGURES}
    hosts: list[HostFigures] = []
    span_s = host_s = 0.0
    for d in derive_hosts(recording):
        span_s, host_s = max(span_s, d.span_s), host_s + d.span_s
        for name, series in d.series.items():
            values, weight = grid.spread(d, series.values), grid.spread(d, series.weight)
            sums[name].add(series, values, weight, BY_NAME[name].across == "sum")
        hosts.append(_kept(d))
        look(grid, d)
    recorded = {n for h in hosts for n in h.figures}
    totals = {
        f.name: sums[f.name].total(f.across == "sum", span_s, host_s, grid.stop_slot, len(hosts))
        for f in FIGURES
        if f.name in recorded
    }
    return Cluster(grid.begin_ns, grid.end_ns, span_s, totals, hosts)
