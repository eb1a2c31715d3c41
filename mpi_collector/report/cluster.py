"""Many hosts as one: totals on the common grid of ticks, and what is kept of each host.

Hosts are aggregated one after the other; a few numbers of each are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpi_collector.node.table.counted import Counted
from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.store.figures import BY_NAME, FIGURES, derive, derive_devices
from mpi_collector.store.figures.derived import Derived, DeviceFigures, Series
from mpi_collector.store.figures.figure import Scope
from mpi_collector.store.host import Float64, Host, Int64
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
    one. ``busiest``, ``busiest_cpu``: the busiest disk, and CPU, and its utilisation in percent.
    ``devices``: empty unless asked for. ``remarks``: those of ``notes`` that go with the verdict.
    """

    key: str
    figures: dict[str, HostValue]
    block: Counted
    net: Counted
    cpus: int | None
    memory_bytes: float
    notes: list[str]
    limits: dict[str, float]
    busiest: tuple[str, float] | None = None
    devices: list[DeviceFigures] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    busiest_cpu: tuple[str, float] | None = None


@dataclass
class Total:
    """A figure of all hosts together.

    ``values``: (slots,), NaN where no host knows it. ``weights``: (slots,) of the hosts' mean, per
    second, None of a sum. ``hosts``: (slots,) how many hosts know it. ``coverage``: known
    seconds / recorded seconds, of the hosts that have it.
    """

    values: Float64
    weights: Float64 | None
    hosts: Int64
    mean: float
    peak: float
    coverage: float


@dataclass
class Cluster:
    """All hosts of a recording.

    ``begin_ns``, ``end_ns``: (slots,) of the common grid, UTC ns; the last slot may be the one up
    to the stop. ``shared``: hosts that run on one kernel; the totals have its figures once.
    """

    begin_ns: Int64
    end_ns: Int64
    span_s: float
    totals: dict[str, Total]
    hosts: list[HostFigures] = field(default_factory=list)
    shared: list[list[str]] = field(default_factory=list)


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
        self._host_s = 0.0

    def add(self, series: Series, values: Float64, weight: Float64, span: HostSpan) -> None:
        """Add a host. ``values``, ``weight``: (slots,), ``weight`` per second.

        In a sum, a host counts with its mean where its value is unknown while it was recorded.
        """
        known = np.isfinite(values) & np.isfinite(weight)
        self._hosts[known] += 1
        self._host_s += span.seconds
        self._known_s += series.known_s
        if self._sums and series.known_s > 0:
            filled = np.where(known, values, series.mean)
            self._amounts[span.slots] += filled[span.slots]
            self._amount += series.mean * span.seconds
        elif series.weight_sum > 0:
            self._amounts[known] += values[known] * weight[known]
            self._weights[known] += weight[known]
            self._amount += series.mean * series.weight_sum
            self._weight += series.weight_sum

    def total(self, span_s: float) -> Total:
        """Return the figure of all hosts."""
        with np.errstate(divide="ignore", invalid="ignore"):
            combined = self._amounts if self._sums else self._amounts / self._weights
            values = np.where(self._hosts > 0, combined, np.nan)
        below = span_s if self._sums else self._weight
        mean = self._amount / below if below > 0 and self._known_s > 0 else float("nan")
        known = values[np.isfinite(values)]
        return Total(
            values=values,
            weights=None if self._sums else self._weights,
            hosts=self._hosts,
            mean=mean,
            peak=max(float(known.max()), mean) if len(known) else mean,  # rows differ by jitter
            coverage=min(self._known_s / self._host_s, 1.0) if self._host_s > 0 else 0.0,
        )


class HostSpan(NamedTuple):
    """When a host was recorded. ``slots``: bool (slots,)."""

    slots: npt.NDArray[np.bool_]
    seconds: float


class Aggregation:
    """All hosts of a recording, or of a part of it, added one after the other."""

    def __init__(self, intervals: RunIntervals) -> None:
        self.intervals = intervals
        self._sums = {f.name: _FigureTotal(intervals.slots, f.across == "sum") for f in FIGURES}
        self._hosts: list[HostFigures] = []
        self._span_s = 0.0
        self._first: dict[tuple[str, object], str] = {}
        self._kernels: dict[object, list[str]] = {}

    def add(self, host: Host, with_devices: bool = False) -> Derived:
        """Add a host, and return its figures."""
        d = derive(host)
        self._kernels.setdefault(_owner(Scope.KERNEL, host), []).append(host.key)
        self._span_s = max(self._span_s, d.span_s)
        to_slots = self.intervals.to_slots
        span = HostSpan(np.isfinite(to_slots(d, np.ones(len(d.tick)))), d.span_s)
        for name, series in d.series.items():
            if self._is_first(name, host):
                values, weight = (
                    to_slots(d, series.values),
                    to_slots(d, d.per_second(series.weight)),
                )
                self._sums[name].add(series, values, weight, span)
        self._hosts.append(_host_figures(d, derive_devices(host) if with_devices else []))
        return d

    def _is_first(self, name: str, host: Host) -> bool:
        """Return whether no host with the same kernel, or network namespace, had this figure."""
        owner = _owner(BY_NAME[name].scope, host)
        return self._first.setdefault((name, owner), host.key) == host.key

    def cluster(self) -> Cluster:
        """Return what was added."""
        known = {n for h in self._hosts for n in h.figures}
        return Cluster(
            self.intervals.begin_ns,
            self.intervals.end_ns,
            self._span_s,
            {f.name: self._sums[f.name].total(self._span_s) for f in FIGURES if f.name in known},
            self._hosts,
            [hosts for hosts in self._kernels.values() if len(hosts) > 1],
        )


def _owner(scope: Scope, host: Host) -> object:
    """Return what a figure of this scope belongs to: equal for hosts that share it."""
    identity = host.meta.get("identity")
    who = identity if isinstance(identity, dict) else {}
    boot_id = who.get("boot_id")
    if scope is Scope.HOST or not isinstance(boot_id, str):
        return host.key
    return (boot_id, str(who.get("net_namespace"))) if scope is Scope.NETWORK else boot_id


def _host_figures(d: Derived, devices: list[DeviceFigures]) -> HostFigures:
    limits = {}
    for name, series in d.series.items():
        limit = BY_NAME[name].limit
        if limit is not None and series.known_s > 0:
            known = np.isfinite(series.values)
            limits[name] = float((series.values[known] >= limit).mean()) if known.any() else 0.0
    return HostFigures(
        key=d.key,
        figures=values_of(d.series),
        block=d.block,
        net=d.net,
        cpus=d.cpus,
        memory_bytes=d.memory_bytes,
        notes=d.notes,
        limits=limits,
        busiest=d.busiest,
        devices=devices,
        remarks=d.remarks,
        busiest_cpu=d.busiest_cpu,
    )


def values_of(series: Mapping[str, Series]) -> dict[str, HostValue]:
    """Return {figure: its values over the whole time}."""
    return {n: HostValue(s.mean, s.peak, s.minimum) for n, s in series.items()}


def aggregate_hosts(
    recording: Recording,
    visit: Callable[[RunIntervals, Derived], None] | None = None,
    devices: bool = False,
) -> Cluster:
    """Return the figures of all hosts, one host's rows in memory at a time.

    ``visit``: called with each host, to keep more of it. ``devices``: with those of single devices.
    """
    whole = Aggregation(RunIntervals(recording))
    for key in recording:
        d = whole.add(recording.fresh(key), devices)
        if visit is not None:
            visit(whole.intervals, d)
    return whole.cluster()
