"""What the page draws, reduced to what a screen can show without losing a peak.

Up to ``FEW`` hosts keep a line each. More are reduced, host by host as they are read, to bins of time with the least,
the mean and the greatest value in each: the band goes from the least to the greatest of all hosts, the middle is the
median host's mean, the heat map shows each host's greatest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.formats.host_changes import changes
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.report.cluster import Cluster, RunIntervals, aggregate_hosts
from mpi_collector.report.summary import document
from mpi_collector.store.figures.derive import FIGURES, Derived
from mpi_collector.store.phases import Phase
from mpi_collector.store.recording import Float64, Int64, Recording

Float32 = npt.NDArray[np.float32]

FEW = 16  #: hosts with a line each
_POINTS = 60_000  #: of all lines of a chart; 16 hosts x 3,600 samples fit
_CELLS = 400_000  #: hosts x bins of a figure, beyond ``FEW`` hosts
_BINS = 1200  #: a screen's width
_FEWEST_BINS = 100
_OUTLIERS = 6  #: hosts with a line beside the band


@dataclass
class Mark:
    """A phase, or a moment when both ends are the same; ms since the epoch. ``host``: where it was set."""

    text: str
    host: str
    begin_ms: float
    end_ms: float


@dataclass
class Chart:
    """A figure over time. Few hosts: ``lines`` {host: (points,)}. Many: ``low``, ``middle``, ``high`` (points,), and
    ``lines`` of the outliers; ``heat``: (hosts, points), the greatest value in each bin."""

    lines: dict[str, Float32] = field(default_factory=dict)
    low: Float32 | None = None
    middle: Float32 | None = None
    high: Float32 | None = None
    heat: Float32 | None = None


@dataclass
class PageData:
    """Everything on the page. ``x_ms``: (points,) of the charts; ``bin_s``: what a reduced point covers, else 0."""

    run: RunDocument
    summary: dict[str, Any]
    hosts: list[str]
    x_ms: Float64
    bin_s: float
    charts: dict[str, Chart]
    marks: list[Mark]
    missing: Float32  #: (points,) hosts without a sample
    changes: dict[str, list[str]]  #: {host: what was not the same at the end}
    named: list[
        str
    ]  #: hosts that have a line somewhere; the number of a host here is that of its colour
    relative: bool = False  #: x_ms counts from a start, not from the epoch

    @property
    def few(self) -> bool:
        return len(self.hosts) <= FEW


class Downsampler:
    """From the slots of the grid to the points of the charts."""

    def __init__(self, grid: RunIntervals, hosts: int) -> None:
        self.grid, self.few = grid, hosts <= FEW
        if self.few:
            most = max(_POINTS // max(hosts, 1), 2)
            self.size = (
                1 if grid.slots <= most else -(-2 * grid.slots // most)
            )  # two points per bin
        else:
            bins = min(max(_CELLS // hosts, _FEWEST_BINS), _BINS)
            self.size = max(-(-grid.slots // bins), 1)
        self.bins = -(-grid.slots // self.size)
        first, last = grid.begin_ns[:: self.size], grid.end_ns[self.size - 1 :: self.size]
        last = np.append(last, grid.end_ns[-1:])[: self.bins]
        begin, end = first / 1e6, last / 1e6
        if self.few and self.size > 1:
            self.x_ms = np.stack(
                (begin + (end - begin) / 4, end - (end - begin) / 4), axis=1
            ).ravel()
        else:
            self.x_ms = end if self.few else (begin + end) / 2
        self.bin_s = self.size * _interval_s(grid) if self.size > 1 else 0.0

    def blocks(self, values: Float64) -> Float64:
        """(bins, size) from (slots,), filled up with NaN."""
        padded = np.full(self.bins * self.size, np.nan)
        padded[: len(values)] = values
        return padded.reshape(self.bins, self.size)

    def line(self, values: Float64) -> Float32:
        """(points,): the values themselves, or the least and the greatest of every bin in the order they came."""
        if self.size == 1:
            return values.astype(np.float32)
        b = self.blocks(values)
        least, most = np.fmin.reduce(b, axis=1), np.fmax.reduce(b, axis=1)
        filled = np.where(np.isnan(b), np.inf, b).argmin(axis=1)
        rising = filled <= np.where(np.isnan(b), -np.inf, b).argmax(axis=1)
        pairs = np.where(
            rising[:, None], np.stack((least, most), axis=1), np.stack((most, least), axis=1)
        )
        return np.asarray(pairs.ravel(), dtype=np.float32)

    def bounds(self, values: Float64) -> tuple[Float32, Float32, Float32]:
        """(bins,) each: least, mean, greatest."""
        b = self.blocks(values)
        known = np.isfinite(b).sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean = np.nansum(b, axis=1) / np.where(known, known, np.nan)
        low, high = np.fmin.reduce(b, axis=1), np.fmax.reduce(b, axis=1)
        return low.astype(np.float32), mean.astype(np.float32), high.astype(np.float32)


def _interval_s(grid: RunIntervals) -> float:
    return float(np.median(np.diff(grid.end_ns))) / 1e9 if grid.slots > 1 else 0.0


class _Collector:
    """Sees each host once."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.hosts = list(recording)
        self.number = {key: n for n, key in enumerate(self.hosts)}
        self.reducer: Downsampler | None = None
        self.lines: dict[str, dict[str, Float32]] = {f.name: {} for f in FIGURES}
        self.parts: dict[str, tuple[Float32, Float32, Float32]] = {}
        self.missing: Float64 = np.zeros(0)
        self.changes: dict[str, list[str]] = {}

    def __call__(self, grid: RunIntervals, d: Derived) -> None:
        if self.reducer is None:
            self.reducer = Downsampler(grid, len(self.hosts))
            self.missing = np.zeros(grid.slots)
        n = self.number[d.key]
        for name, series in d.series.items():
            values = grid.spread(d, series.values)
            if self.reducer.few:
                self.lines[name][d.key] = self.reducer.line(values)
            else:
                shape = (len(self.hosts), self.reducer.bins)
                if name not in self.parts:
                    self.parts[name] = _unknown(shape), _unknown(shape), _unknown(shape)
                for part, row in zip(self.parts[name], self.reducer.bounds(values)):
                    part[n] = row
        host = self.recording.fresh(d.key)
        self.missing += absent(grid, host.tick)
        start, end = host.meta.get("snapshot"), host.meta.get("snapshot_end")
        if isinstance(start, dict) and isinstance(end, dict) and (what := changes(start, end)):
            self.changes[d.key] = what


def _unknown(shape: tuple[int, int]) -> Float32:
    return np.full(shape, np.nan, np.float32)


def absent(grid: RunIntervals, tick: Int64) -> Float64:
    """(slots,): 1 where the host has no row at the slot's end."""
    wanted = grid.ticks[1:]
    out = np.zeros(grid.slots)
    out[: len(wanted)] = ~np.isin(wanted, tick[tick != STOP_TICK])
    return out


def page_data(recording: Recording) -> PageData:
    """Read a recording, host by host."""
    collector = _Collector(recording)
    cluster = aggregate_hosts(recording, collector)
    summary = document(recording, cluster)
    reducer = collector.reducer
    charts = (
        _few(collector, cluster)
        if reducer is None or reducer.few
        else _many(collector, cluster, summary)
    )
    x_ms = np.zeros(0) if reducer is None else reducer.x_ms
    return PageData(
        recording.run,
        summary,
        collector.hosts,
        x_ms,
        reducer.bin_s if reducer else 0.0,
        charts,
        [
            Mark(p.name, p.host or "", p.begin_ns / 1e6, p.end_ns / 1e6)
            for p in unique_phases(recording.marks)
        ],
        np.zeros(0, np.float32) if reducer is None else _worst(reducer, collector.missing),
        collector.changes,
        collector.hosts
        if len(collector.hosts) <= FEW
        else list(dict.fromkeys(k for c in charts.values() for k in c.lines)),
    )


def unique_phases(phases: list[Phase]) -> list[Phase]:
    """A mark that several hosts recorded alike is one."""
    return list({(p.name, p.begin_ns, p.end_ns): p for p in reversed(phases)}.values())[::-1]


def _worst(reducer: Downsampler, missing: Float64) -> Float32:
    return reducer.line(missing) if reducer.few else reducer.bounds(missing)[2]


def _few(collector: _Collector, cluster: Cluster) -> dict[str, Chart]:
    return {n: Chart(collector.lines[n]) for n in cluster.totals}


def _many(collector: _Collector, cluster: Cluster, summary: dict[str, Any]) -> dict[str, Chart]:
    out = {}
    worst = list(dict.fromkeys(o["host"] for o in summary["outliers"]))[:_OUTLIERS]
    for name in cluster.totals:
        low, mean, high = collector.parts.pop(name)
        odd = [o["host"] for o in summary["outliers"] if o["figure"] == name and o["host"] in worst]
        lines = {k: mean[collector.number[k]].copy() for k in odd}
        out[name] = Chart(lines, np.fmin.reduce(low), median(mean), np.fmax.reduce(high), high)
    return out


def median(rows: Float32) -> Float32:
    """(points,) of (hosts, points): median of those that are known."""
    count = np.isfinite(rows).sum(axis=0)
    ordered = np.sort(rows, axis=0)  # NaN last
    at = np.arange(rows.shape[1])
    low, high = (
        ordered[np.maximum((count - 1) // 2, 0), at],
        ordered[np.minimum(count // 2, len(rows) - 1), at],
    )
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan), dtype=np.float32)
