"""The charts as Bokeh models. No name of a host, device or mark goes into the models.

Every chart has a range of its own. The page's script moves them together, those in sight first,
and shows the values under the pointer. Values are scaled to the unit of the axis, so that the
script has nothing to compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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

from mpi_collector.report.page.data import Curves, PageData
from mpi_collector.report.page.downsample import Float32
from mpi_collector.report.page.phases import PhaseSpan
from mpi_collector.report.quantity import axis_scale
from mpi_collector.store.figures import BY_NAME, CHARTED
from mpi_collector.store.figures.figure import Figure, Scale
from mpi_collector.terminal_text import safe_text

#: the colours of Okabe and Ito, which the colour-blind can tell apart, without the black and with a
#: darker yellow, so that they show on black and on white; then the same hues lighter or darker
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8a8a8a",
    "#b3a300",
    "#6aa9d9",
    "#f2a073",
    "#5fcfae",
    "#a0527d",
    "#a87400",
    "#2a7fae",
    "#b8b8b8",
    "#7d7200",
)
MIDDLE = COLOURS[0]
BAND = COLOURS[5]
BORDER = (56, 12)  #: pixels left and right of every chart, so that times lie below each other
_HEIGHT = 190
_HEIGHT_MISSING = 110
_THICK_LINES = 4  #: at most; a canvas without a GPU draws thick lines three times slower


class Range(NamedTuple):
    """The two ends of an axis."""

    start: float
    end: float


class Line(NamedTuple):
    """A line of a chart: its name, its column in the chart's data, its colour."""

    name: str
    column: str
    colour: str


@dataclass
class RenderedChart:
    """A chart, the unit of its axis, and its lines."""

    plot: figure
    unit: str
    lines: list[Line]


def drawn_figures(page: PageData) -> list[str]:
    """Return the figures that have a chart: those of which anything but zero was recorded."""
    return [n for n in _charted(page) if _greatest_value(page.charts[n]) > 0]


def zero_figures(page: PageData) -> list[str]:
    """Return the figures that were recorded and whose chart is left out, since all is zero."""
    return [n for n in _charted(page) if _greatest_value(page.charts[n]) <= 0]


def _charted(page: PageData) -> list[str]:
    return [f.name for f in CHARTED if f.name in page.charts]


def _time_format(relative: bool) -> DatetimeTickFormatter:
    """Return UTC, the date only where a day begins; ``relative``: time since the start."""
    fine = "%H:%M:%S"
    whole = "%H:%M"
    return DatetimeTickFormatter(
        milliseconds="%H:%M:%S.%3N",
        seconds=fine,
        minsec=fine,
        minutes=whole,
        hourmin=whole,
        hours=whole,
        days=whole if relative else "%d %b",
    )


def empty_chart(
    page: PageData, name: str, times: Range, values: Range, height: int = _HEIGHT
) -> figure:
    """Return a chart without lines.

    Dragging zooms in time. All else is left to the page's script: the wheel scrolls the page.
    """
    box = BoxZoomTool(dimensions="width")
    plot = figure(
        name=f"plot {name}",
        height=height,
        sizing_mode="stretch_width",
        tools=[box],
        toolbar_location=None,
        active_drag=box,
        x_range=Range1d(start=times.start, end=times.end, bounds=(times.start, times.end)),
        y_range=Range1d(start=values.start, end=values.end),
        x_axis_type="datetime",
        min_border_left=BORDER[0],
        min_border_right=BORDER[1],
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
    )
    plot.xaxis[0].formatter = _time_format(page.relative)
    plot.yaxis[0].ticker = BasicTicker(desired_num_ticks=4)
    plot.yaxis[0].minor_tick_line_color = None
    plot.xgrid[0].grid_line_color = None
    return plot


def time_range(page: PageData) -> Range:
    """Return the first and the last moment of the charts, ms."""
    run_start = page.run["start_ns"] / 1e6
    first = float(page.x_ms[0]) if len(page.x_ms) else run_start
    last = float(page.x_ms[-1]) if len(page.x_ms) else run_start + 1
    return Range(min(run_start, first), max(last, run_start + 1))


def _greatest_value(curves: Curves) -> float:
    """Return the highest value that is drawn; 0 when there is none."""
    parts = [p for p in (*curves.lines.values(), curves.high) if p is not None and len(p)]
    known = [float(np.fmax.reduce(p)) for p in parts]
    return max((k for k in known if np.isfinite(k)), default=0.0)


def line_chart(page: PageData, name: str, phases: list[PhaseSpan]) -> RenderedChart:
    """Return the chart of a figure."""
    about = BY_NAME[name]
    curves = page.charts[name]
    top = _greatest_value(curves)
    unit, by = axis_scale(about.unit, top)
    plot = empty_chart(page, name, time_range(page), Range(0.0, _axis_end(about, top / by)))
    data: dict[str, npt.NDArray[np.floating]] = {"x": page.x_ms}
    lines = []
    band = _band(curves)
    for line, values in band:
        data[line.column] = values / np.float32(by)
        lines.append(line)
    for host, values in curves.lines.items():
        n = page.named.index(host)
        data[f"h{n}"] = values / np.float32(by)
        lines.append(Line(safe_text(host), f"h{n}", host_colour(page, n)))
    source = _source(plot, name, data)
    _draw_phases(plot, phases)
    if band:
        _draw_band(plot, source)
    _draw_hosts(plot, source, lines[len(band) :], width=1.3 if len(lines) <= _THICK_LINES else 1)
    for line in lines:
        _draw_dots(plot, page, data[line.column], line)
    return RenderedChart(plot, unit, lines)


def _source(plot: figure, name: str, data: dict[str, npt.NDArray[np.floating]]) -> ColumnDataSource:
    """Return what the glyphs draw, which is empty.

    The page's script fills in the part of ``data`` that the window and its pixels need.
    """
    plot.tags = [ColumnDataSource(data, name=f"data {name}")]  # serialised with the chart
    nothing = {column: np.zeros(0, values.dtype) for column, values in data.items()}
    return ColumnDataSource(nothing, name=f"drawn {name}")


def _draw_hosts(plot: figure, source: ColumnDataSource, lines: list[Line], width: float) -> None:
    for line in lines:
        plot.line(
            "x",
            line.column,
            source=source,
            line_color=line.colour,
            line_width=width,
            muted_alpha=0.15,
            name=line.column,
            tags=["host"],
        )


def _draw_dots(plot: figure, page: PageData, values: npt.NDArray[np.floating], line: Line) -> None:
    """Draw a dot for each value between two unknown ones, where a line would not be visible."""
    known = np.isfinite(values)
    before = np.append(False, known[:-1])
    after = np.append(known[1:], False)
    alone = known & ~before & ~after
    if alone.any():
        plot.scatter(
            "x",
            "y",
            source=ColumnDataSource({"x": page.x_ms[alone], "y": values[alone]}),
            size=4,
            color=line.colour,
            muted_alpha=0.15,
            name=line.column,
            tags=["host"] if line.column[1:].isdigit() else [],
        )


def host_colour(page: PageData, n: int) -> str:
    """Return the colour of ``page.named[n]``. The median's, where there is one, is the first."""
    return COLOURS[n if page.few else 1 + n % (len(COLOURS) - 1)]


def _axis_end(about: Figure, top: float) -> float:
    if about.scale is Scale.PERCENT and top <= 100:
        return 102.0 if top > 20 else max(top * 1.1, 1.0)
    return top * 1.06 if top > 0 else 1.0


def _band(curves: Curves) -> list[tuple[Line, Float32]]:
    """Return the lines over all hosts, with their values; none of few hosts."""
    if curves.low is None or curves.middle is None or curves.high is None:
        return []
    return [
        (Line("highest host", "high", BAND), curves.high),
        (Line("median host", "middle", MIDDLE), curves.middle),
        (Line("lowest host", "low", BAND), curves.low),
    ]


def _draw_band(plot: figure, source: ColumnDataSource) -> None:
    plot.add_glyph(source, VArea(x="x", y1="low", y2="high", fill_color=BAND, fill_alpha=0.3))
    plot.line("x", "high", source=source, line_color=BAND, line_width=0.8)
    plot.line("x", "middle", source=source, line_color=MIDDLE, line_width=1.8)


def _draw_phases(plot: figure, phases: list[PhaseSpan]) -> None:
    """Shade phases, one tone per kind, and draw a dashed line at each moment."""
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
    """Return how many hosts have no sample over time; None when none was missed."""
    if not len(page.missing) or not np.nanmax(page.missing) > 0:
        return None
    top = float(np.nanmax(page.missing)) * 1.1
    plot = empty_chart(page, "missing", time_range(page), Range(0.0, top), _HEIGHT_MISSING)
    source = _source(plot, "missing", {"x": page.x_ms, "y": page.missing})
    plot.add_glyph(source, VArea(x="x", y1=0, y2="y", fill_color=COLOURS[1], fill_alpha=0.5))
    plot.line("x", "y", source=source, line_color=COLOURS[1])
    return RenderedChart(plot, "", [Line("hosts without a sample", "y", COLOURS[1])])
