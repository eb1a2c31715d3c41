"""The charts as Bokeh models. No name of a host, device or mark goes into them.

Every chart has a range of its own; the page's script moves them together, those in sight first, and says what is under
the pointer. Values are scaled to the unit of the axis, so that this needs no arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    BoxZoomTool,
    ColumnDataSource,
    DatetimeTickFormatter,
    Range1d,
    VArea,
    VSpan,
    VStrip,
)
from bokeh.plotting import figure

from mpi_collector.report.page.data import Chart, Float32, PageData
from mpi_collector.report.page.phases import PhaseSpan
from mpi_collector.report.quantity import axis_scale
from mpi_collector.store.figures.derive import BY_NAME, Figure
from mpi_collector.terminal_text import safe_text

#: Okabe and Ito's colours, which the colour-blind can tell apart, without the black and with a darker yellow so that
#: they show on black and on white; then the same hues lighter or darker
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a", "#b3a300",
           "#6aa9d9", "#f2a073", "#5fcfae", "#a0527d", "#a87400", "#2a7fae", "#b8b8b8", "#7d7200")  # fmt: skip
MIDDLE, BAND = COLOURS[0], COLOURS[5]
#: charts beside each other, in the order of the page
ORDER = (
    *(
        "read_bytes_per_s",
        "write_bytes_per_s",
        "read_iops",
        "write_iops",
        "read_latency_ms",
        "write_latency_ms",
    ),
    *("utilisation_max_percent", "queue_depth", "cpu_busy_percent", "cpu_iowait_percent"),
    *("memory_used_bytes", "page_cache_bytes", "net_rx_bytes_per_s", "net_tx_bytes_per_s"),
    *("nfs_read_bytes_per_s", "nfs_write_bytes_per_s", "nfs_iops", "nfs_retransmit_percent"),
    *("nfs_read_rtt_ms", "nfs_write_rtt_ms", "lustre_read_bytes_per_s", "lustre_write_bytes_per_s"),
    *(
        "fabric_rx_bytes_per_s",
        "fabric_tx_bytes_per_s",
        "pressure_io_percent",
        "pressure_cpu_percent",
    ),
    *("pressure_memory_percent", "tcp_retransmit_percent"),
    *("dirty_bytes", "cpu_steal_percent"),
)
_HEIGHT = 190
_THICK = 4  #: lines; a canvas without a GPU draws thicker ones three times slower
BORDER = (56, 12)  #: pixels left and right of every chart, so that times lie below each other


@dataclass
class RenderedChart:
    """A chart, the unit of its axis, and what its lines are: (name, column of the data, colour)."""

    plot: figure
    unit: str
    lines: list[tuple[str, str, str]]


def shown(page: PageData) -> list[str]:
    """Figures that have a chart: those of which anything but zero was recorded."""
    return [n for n in ORDER if n in page.charts and greatest(page.charts[n]) > 0]


def flat(page: PageData) -> list[str]:
    """Figures that were recorded and have no chart."""
    return [n for n in ORDER if n in page.charts and greatest(page.charts[n]) <= 0]


def time_axis(relative: bool) -> DatetimeTickFormatter:
    """UTC; the date only where a day begins. ``relative``: since the start."""
    fine, whole = "%H:%M:%S", "%H:%M"
    return DatetimeTickFormatter(
        milliseconds="%H:%M:%S.%3N",
        seconds=fine,
        minsec=fine,
        minutes=whole,
        hourmin=whole,
        hours=whole,
        days=whole if relative else "%d %b",
    )


def frame(
    page: PageData,
    name: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    height: int = _HEIGHT,
) -> figure:
    """An empty chart. Dragging zooms in time; the rest is the page's script, so that the wheel scrolls the page."""
    box = BoxZoomTool(dimensions="width")
    plot = figure(
        name=f"plot {name}",
        height=height,
        sizing_mode="stretch_width",
        tools=[box],
        toolbar_location=None,
        active_drag=box,
        x_range=Range1d(start=x_range[0], end=x_range[1], bounds=x_range),
        y_range=Range1d(start=y_range[0], end=y_range[1]),
        x_axis_type="datetime",
        min_border_left=BORDER[0],
        min_border_right=BORDER[1],
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
    )
    plot.xaxis[0].formatter = time_axis(page.relative)
    plot.yaxis[0].ticker = BasicTicker(desired_num_ticks=4)
    plot.yaxis[0].minor_tick_line_color = None
    plot.xgrid[0].grid_line_color = None
    return plot


def ends(page: PageData) -> tuple[float, float]:
    """First and last moment of the charts, ms."""
    run = page.run
    first = run["start_ns"] / 1e6
    last = float(page.x_ms[-1]) if len(page.x_ms) else first + 1
    return min(first, float(page.x_ms[0]) if len(page.x_ms) else first), max(last, first + 1)


def greatest(chart: Chart) -> float:
    """The highest value that is drawn; 0 when there is none."""
    parts = [p for p in (*chart.lines.values(), chart.high) if p is not None and len(p)]
    known = [float(np.fmax.reduce(p)) for p in parts]
    return max((k for k in known if np.isfinite(k)), default=0.0)


def line_chart(page: PageData, name: str, phases: list[PhaseSpan]) -> RenderedChart:
    """A figure over time."""
    about, chart = BY_NAME[name], page.charts[name]
    top = greatest(chart)
    unit, by = axis_scale(about.unit, top)
    plot = frame(page, name, ends(page), (0.0, _ceiling(about, top / by)))
    data: dict[str, Any] = {"x": page.x_ms}
    lines = []
    for column, values, label, tone in _band(chart):
        data[column] = values / np.float32(by)
        lines.append((label, column, tone))
    for host, values in chart.lines.items():
        n = page.named.index(host)
        data[f"h{n}"] = values / np.float32(by)
        lines.append((safe_text(host), f"h{n}", colour(page, n)))
    source = _drawn(plot, name, data)
    _phases(plot, phases)
    if chart.high is not None:
        _draw_band(plot, source)
    width = 1.3 if len(lines) <= _THICK else 1
    for _label, column, tone in lines:
        if column.startswith("h") and column != "high":
            plot.line("x", column, source=source, line_color=tone, line_width=width, muted_alpha=0.15, name=column,
                      tags=["host"])  # fmt: skip
    for _label, column, tone in lines:
        _dots(plot, page, data[column], column, tone)
    return RenderedChart(plot, unit, lines)


def _drawn(plot: figure, name: str, data: dict[str, Any]) -> ColumnDataSource:
    """What the glyphs draw: nothing yet. The page's script fills in what of ``data`` the window and its pixels need."""
    plot.tags = [ColumnDataSource(data, name=f"data {name}")]  # so that it travels with the chart
    nothing = {column: np.zeros(0, values.dtype) for column, values in data.items()}
    return ColumnDataSource(nothing, name=f"drawn {name}")


def _dots(plot: figure, page: PageData, values: Float32, column: str, tone: str) -> None:
    """A value between two unknown ones is no line: a dot, or it would not be seen."""
    known = np.isfinite(values)
    before, after = np.append(False, known[:-1]), np.append(known[1:], False)
    alone = known & ~before & ~after
    if alone.any():
        data = ColumnDataSource({"x": page.x_ms[alone], "y": values[alone]})
        plot.scatter("x", "y", source=data, size=4, color=tone, muted_alpha=0.15, name=column,
                     tags=["host"] if column[1:].isdigit() else [])  # fmt: skip


def colour(page: PageData, n: int) -> str:
    """Of the n-th host that has a name on the charts; the first colour is the median's where there is one."""
    return COLOURS[n if page.few else 1 + n % (len(COLOURS) - 1)]


def _ceiling(about: Figure, top: float) -> float:
    if about.unit == "%" and top <= 100:
        return 102.0 if top > 20 else max(top * 1.1, 1.0)
    return top * 1.06 if top > 0 else 1.0


def _band(chart: Chart) -> list[tuple[str, Float32, str, str]]:
    if chart.low is None or chart.middle is None or chart.high is None:
        return []
    return [
        ("high", chart.high, "highest host", BAND),
        ("middle", chart.middle, "median host", MIDDLE),
        ("low", chart.low, "lowest host", BAND),
    ]


def _draw_band(plot: figure, source: ColumnDataSource) -> None:
    plot.add_glyph(source, VArea(x="x", y1="low", y2="high", fill_color=BAND, fill_alpha=0.3))
    plot.line("x", "high", source=source, line_color=BAND, line_width=0.8)
    plot.line("x", "middle", source=source, line_color=MIDDLE, line_width=1.8)


def _phases(plot: figure, phases: list[PhaseSpan]) -> None:
    """Shade what lasted, one tone per kind, and draw a line at what did not last."""
    lasting = [p for p in phases if p.end_ms > p.begin_ms]
    if lasting:
        data = {
            "x0": [p.begin_ms for p in lasting],
            "x1": [p.end_ms for p in lasting],
            "tone": [p.tone for p in lasting],
        }
        strip = VStrip(x0="x0", x1="x1", fill_color="tone", fill_alpha=0.16, line_color=None)
        plot.add_glyph(ColumnDataSource(data), strip, level="underlay", name="phases")
    moments = [p.begin_ms for p in phases if p.end_ms <= p.begin_ms]
    if moments:
        span = VSpan(x="at", line_color="#888888", line_width=1, line_dash="dashed")
        plot.add_glyph(ColumnDataSource({"at": moments}), span, level="underlay", name="moments")


def missing_chart(page: PageData) -> RenderedChart | None:
    """How many hosts have no sample, when any was missed."""
    if not len(page.missing) or not np.nanmax(page.missing) > 0:
        return None
    plot = frame(page, "missing", ends(page), (0.0, float(np.nanmax(page.missing)) * 1.1), 110)
    source = _drawn(plot, "missing", {"x": page.x_ms, "y": page.missing})
    plot.add_glyph(source, VArea(x="x", y1=0, y2="y", fill_color=COLOURS[1], fill_alpha=0.5))
    plot.line("x", "y", source=source, line_color=COLOURS[1])
    return RenderedChart(plot, "", [("hosts without a sample", "y", COLOURS[1])])
