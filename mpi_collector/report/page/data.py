"""What the page shows of a recording.

The values of the charts are reduced to what a screen can show, without losing a peak; see
``downsample``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpi_collector.formats.host_changes import changes
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.report.cluster import Cluster, aggregate_hosts
from mpi_collector.report.page.downsample import (
    FEW_HOSTS,
    LINE_POINTS,
    Downsampler,
    Float32,
    median,
)
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
    ``bin_s``: the time that one point covers, 0 where values were not reduced. ``missing``:
    (points,) hosts without a sample. ``changes``: {host: what differs between its snapshots at
    start and end}. ``named``: hosts that have a line in some chart, in the order of their colours
    (``charts.host_colour``). ``why``: what limited the run; None on the page of a comparison.
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
    why: WhyDocument | None = None

    @property
    def few(self) -> bool:
        """Whether every host has a line of its own."""
        return len(self.hosts) <= FEW_HOSTS


class _HostVisitor:
    """Reduces the figures of each host, once, as it is aggregated.

    ``lines``: {figure: {host: values}} of few hosts. ``bounds``: {figure: lowest, mean and highest
    value, each (hosts, bins)} of many.
    """

    def __init__(self, recording: Recording, line_points: int) -> None:
        self.hosts = list(recording)
        self.number = {key: n for n, key in enumerate(self.hosts)}
        self.downsampler: Downsampler | None = None
        self.lines: dict[str, dict[str, Float32]] = {f.name: {} for f in FIGURES}
        self.bounds: dict[str, tuple[Float32, Float32, Float32]] = {}
        self.missing: Float64 = np.zeros(0)
        self.changes: dict[str, list[str]] = {}
        self._recording = recording
        self._line_points = line_points

    def __call__(self, intervals: RunIntervals, host: Derived) -> None:
        if self.downsampler is None:
            self.downsampler = Downsampler(intervals, len(self.hosts), self._line_points)
            self.missing = np.zeros(intervals.slots)
        for name, series in host.series.items():
            self._keep(self.downsampler, name, host.key, intervals.to_slots(host, series.values))
        recorded = self._recording.fresh(host.key)
        self.missing += _absent(intervals, recorded.tick)
        start = recorded.meta.get("snapshot")
        end = recorded.meta.get("snapshot_end")
        if start and end and (what := changes(start, end)):
            self.changes[host.key] = what

    def _keep(self, downsampler: Downsampler, name: str, key: str, values: Float64) -> None:
        """``values``: (slots,) of the figure ``name`` of the host ``key``."""
        if downsampler.few:
            self.lines[name][key] = downsampler.line(values)
            return
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
        why=why,
    )


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
