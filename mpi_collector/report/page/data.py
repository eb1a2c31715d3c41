"""What the page shows of a recording.

The values of the charts are reduced to what a screen can show, without losing a peak; see
``downsample``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mpi_collector.formats.host_changes import changes
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.report.cluster import Cluster, aggregate_hosts
from mpi_collector.report.page.device_lines import DeviceLines, device_lines
from mpi_collector.report.page.downsample import (
    FEW_HOSTS,
    LINE_POINTS,
    Downsampler,
    Float32,
    median,
)
from mpi_collector.report.page.window_rows import FigureRows, RowReducer, RowValues
from mpi_collector.report.run_intervals import STOP_SLOT, RunIntervals
from mpi_collector.report.summary import document_and_why
from mpi_collector.report.summary_document import SummaryDocument
from mpi_collector.store.figures import FIGURES
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.host import Float64, Int64
from mpi_collector.store.phases import Phase
from mpi_collector.store.recording import Recording

_OUTLIERS = 6  #: outliers that get a line in front of the band, at most


@dataclass
class PagePhase:
    """A phase, or a moment: then both ends are the same. Times: ms, as in ``PageData.x_ms``.

    ``host``: the host on which it was marked, "" if it belongs to no host.
    """

    text: str
    host: str
    begin_ms: float
    end_ms: float


@dataclass
class Curves:
    """A figure over time; arrays are (points,).

    Of few hosts: ``lines`` {host: values}. Of many: ``low``, ``middle`` and ``high`` over all
    hosts, ``lines`` of the outliers, and ``heat`` (hosts, points), the highest value of each host.
    Values have the unit of the figure.
    """

    lines: dict[str, Float32] = field(default_factory=dict)
    low: Float32 | None = None
    middle: Float32 | None = None
    high: Float32 | None = None
    heat: Float32 | None = None


@dataclass
class PageData:
    """Everything on the page.

    ``x_ms``: (points,) of all charts, ms since the epoch, or since the start if ``relative``.
    ``bin_s``: the time that one point covers, 0 where values were not reduced. ``rows``: {figure:
    what its figures in a window are computed from}, at ``begin_ms`` to ``end_ms``. ``missing``:
    (points,) hosts without a sample. ``changes``: {host: what differs between its snapshots at
    start and end}. ``named``: hosts that have a line in some chart, in the order of their colours
    (``charts.host_colour``). ``why``: what limited the run; None on the page of a comparison.
    ``devices``: single devices over time, of few hosts.
    """

    run: RunDocument
    summary: SummaryDocument
    hosts: list[str]
    x_ms: Float64
    bin_s: float
    charts: dict[str, Curves]
    marks: list[PagePhase]
    missing: Float32
    changes: dict[str, list[str]]
    named: list[str]
    relative: bool = False
    begin_ms: Float64 = field(default_factory=lambda: np.zeros(0))
    end_ms: Float64 = field(default_factory=lambda: np.zeros(0))
    rows: dict[str, FigureRows] = field(default_factory=dict)
    why: WhyDocument | None = None
    devices: DeviceLines | None = None

    @property
    def few(self) -> bool:
        """Whether every host has a line of its own."""
        return len(self.hosts) <= FEW_HOSTS

    @property
    def exact(self) -> bool:
        """Whether each row is a point of the charts, at its end."""
        return self.few and not self.bin_s and len(self.x_ms) == len(self.end_ms)


class _HostVisitor:
    """Reduces the figures of each host, once, as it is aggregated.

    ``lines``: {figure: {host: values}} of few hosts. ``bounds``: {figure: lowest, mean and highest
    value, each (hosts, bins)} of many. ``rows``: {figure: {host: its rows}} of few.
    """

    def __init__(self, recording: Recording, line_points: int) -> None:
        self.hosts = list(recording)
        self.number = {key: n for n, key in enumerate(self.hosts)}
        self.downsampler: Downsampler | None = None
        self.lines: dict[str, dict[str, Float32]] = {f.name: {} for f in FIGURES}
        self.bounds: dict[str, tuple[Float32, Float32, Float32]] = {}
        self.reducer: RowReducer | None = None
        self.rows: dict[str, dict[str, RowValues]] = {f.name: {} for f in FIGURES}
        self.missing: Float64 = np.zeros(0)
        self.changes: dict[str, list[str]] = {}
        self.intervals: RunIntervals | None = None
        self.grids: dict[str, Derived] = {}  #: of few hosts, without figures
        self._recording = recording
        self._line_points = line_points

    def __call__(self, intervals: RunIntervals, host: Derived) -> None:
        if self.downsampler is None or self.reducer is None:
            self.downsampler = Downsampler(intervals, len(self.hosts), self._line_points)
            share = len(self.hosts) if self.downsampler.few else 1
            self.reducer = RowReducer(intervals, self._line_points // max(share, 1))
            self.missing = np.zeros(intervals.slots)
            self.intervals = intervals
        if self.downsampler.few:
            self.grids[host.key] = replace(host, series={})
        for name, series in host.series.items():
            values = intervals.to_slots(host, series.values)
            if self.downsampler.few:
                weight = intervals.to_slots(host, host.per_second(series.weight))
                self._keep_few(self.downsampler, self.reducer, name, host.key, values, weight)
            else:
                self._keep_many(self.downsampler, name, host.key, values)
        recorded = self._recording.fresh(host.key)
        self.missing += _absent(intervals, recorded.tick)
        start = recorded.meta.get("snapshot")
        end = recorded.meta.get("snapshot_end")
        if start and end and (what := changes(start, end)):
            self.changes[host.key] = what

    def _keep_few(
        self,
        downsampler: Downsampler,
        reducer: RowReducer,
        name: str,
        key: str,
        values: Float64,
        weight: Float64,
    ) -> None:
        """Keep a host's line. ``values``, ``weight``: (slots,), ``weight`` per second."""
        rows = reducer.values(values, weight)
        self.rows[name][key] = rows
        exact = downsampler.size == 1 and reducer.size == 1
        self.lines[name][key] = rows.mean if exact else downsampler.line(values)

    def _keep_many(self, downsampler: Downsampler, name: str, key: str, values: Float64) -> None:
        """Keep a host's bounds. ``values``: (slots,)."""
        if name not in self.bounds:
            shape = (len(self.hosts), downsampler.bins)
            self.bounds[name] = (_unknown(shape), _unknown(shape), _unknown(shape))
        for kept, row in zip(self.bounds[name], downsampler.bounds(values)):
            kept[self.number[key]] = row


def _unknown(shape: tuple[int, int]) -> Float32:
    return np.full(shape, np.nan, np.float32)


def _absent(intervals: RunIntervals, tick: Int64) -> Float64:
    """Return (slots,): 1 where a host with the rows ``tick`` has none at the slot's end."""
    ends = tick[tick != STOP_TICK]
    missing: Float64 = (~np.isin(intervals.end_tick, ends)).astype(np.float64)
    missing[intervals.end_tick == STOP_SLOT] = 0
    return missing


def page_data(recording: Recording, line_points: int = LINE_POINTS) -> PageData:
    """Return what the page shows; hosts are read one by one. RecordingError if one cannot be read.

    ``line_points``: greatest number of points in a chart, all its lines together.
    """
    visitor = _HostVisitor(recording, line_points)
    cluster = aggregate_hosts(recording, visitor, devices=len(recording) <= FEW_HOSTS)
    summary, why = document_and_why(recording, cluster)
    downsampler = visitor.downsampler
    few = len(visitor.hosts) <= FEW_HOSTS
    charts = _line_curves(visitor, cluster) if few else _band_curves(visitor, cluster, summary)
    reducer = visitor.reducer
    with_lines = list(dict.fromkeys(k for c in charts.values() for k in c.lines))
    return PageData(
        run=recording.run,
        summary=summary,
        hosts=visitor.hosts,
        x_ms=downsampler.x_ms if downsampler else np.zeros(0),
        bin_s=downsampler.bin_s if downsampler else 0.0,
        charts=charts,
        marks=[
            PagePhase(p.name, p.host or "", p.begin_ns / 1e6, p.end_ns / 1e6)
            for p in _unique_phases(recording.marks)
        ],
        missing=_most_missing(downsampler, visitor.missing)
        if downsampler
        else np.zeros(0, np.float32),
        changes=visitor.changes,
        named=visitor.hosts if few else with_lines,
        begin_ms=reducer.begin_ms if reducer else np.zeros(0),
        end_ms=reducer.end_ms if reducer else np.zeros(0),
        rows=_rows(visitor, reducer, cluster) if reducer else {},
        why=why,
        devices=device_lines(cluster.hosts, visitor.grids, visitor.intervals, line_points)
        if visitor.intervals is not None and few
        else None,
    )


def _rows(visitor: _HostVisitor, reducer: RowReducer, cluster: Cluster) -> dict[str, FigureRows]:
    """Return {figure: rows of all hosts and of each}; of one host, all are the one."""
    out = {}
    for name, total in cluster.totals.items():
        hosts = visitor.rows[name]
        if len(visitor.hosts) == 1 and hosts:
            (of_all,) = hosts.values()
        else:
            of_all = reducer.values(total.values, total.weights)
        out[name] = FigureRows(of_all, hosts)
    return out


def _unique_phases(phases: list[Phase]) -> list[Phase]:
    """Return each phase once where several hosts recorded it alike."""
    return list({(p.name, p.begin_ns, p.end_ns): p for p in reversed(phases)}.values())[::-1]


def _most_missing(downsampler: Downsampler, missing: Float64) -> Float32:
    """Return (points,) of (slots,): hosts without a sample, no peak lost."""
    return downsampler.line(missing) if downsampler.few else downsampler.bounds(missing).high


def _line_curves(visitor: _HostVisitor, cluster: Cluster) -> dict[str, Curves]:
    """Return {figure: curves} of few hosts: a line each."""
    return {name: Curves(visitor.lines[name]) for name in cluster.totals}


def _band_curves(
    visitor: _HostVisitor, cluster: Cluster, summary: SummaryDocument
) -> dict[str, Curves]:
    """Return {figure: curves} of many hosts: the band, and lines of the first outliers."""
    out = {}
    outliers = summary["outliers"]
    worst = list(dict.fromkeys(o["host"] for o in outliers))[:_OUTLIERS]
    for name in cluster.totals:
        low, mean, high = visitor.bounds.pop(name)
        odd = [o["host"] for o in outliers if o["figure"] == name and o["host"] in worst]
        out[name] = Curves(
            lines={k: mean[visitor.number[k]].copy() for k in odd},
            low=np.fmin.reduce(low),
            middle=median(mean),
            high=np.fmax.reduce(high),
            heat=high,
        )
    return out
