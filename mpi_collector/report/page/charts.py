"""The charts of the page, as the script draws them with uPlot. Names of hosts are data."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np

from mpi_collector.report.page.arrays import PageArrays
from mpi_collector.report.page.data import Curves, PageData
from mpi_collector.store.figures import BY_NAME, CHARTED
from mpi_collector.store.figures.figure import Scale
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


class TimeRange(NamedTuple):
    """The first and the last moment of all charts, ms."""

    start: float
    end: float


class Line(TypedDict):
    """A line of a chart. ``values``: number of an array. ``host``: number of the host's button."""

    name: str
    values: int
    colour: str
    host: int | None


class Chart(TypedDict):
    """What the script knows of a chart.

    ``place``: the id of its element. ``unit``: as values are stored. ``x``: number of the array of
    times, None for the ends of the rows. ``band``: the first and the third line are the edges of a
    band. ``area``: the first line is filled down to zero.
    """

    name: str
    place: str
    unit: str
    percent: bool
    height: int
    x: int | None
    lines: list[Line]
    band: bool
    area: bool


def drawn_figures(page: PageData) -> list[str]:
    """Return the figures that have a chart: those of which anything but zero was recorded."""
    return [n for n in _charted(page) if greatest_value(page.charts[n]) > 0]


def zero_figures(page: PageData) -> list[str]:
    """Return the figures that were recorded and whose chart is left out, since all is zero."""
    return [n for n in _charted(page) if greatest_value(page.charts[n]) <= 0]


def _charted(page: PageData) -> list[str]:
    return [f.name for f in CHARTED if f.name in page.charts]


def time_range(page: PageData) -> TimeRange:
    """Return the first and the last moment of the charts, ms."""
    run_start = page.run["start_ns"] / 1e6
    first = float(page.x_ms[0]) if len(page.x_ms) else run_start
    last = float(page.x_ms[-1]) if len(page.x_ms) else run_start + 1
    return TimeRange(min(run_start, first), max(last, run_start + 1))


def greatest_value(curves: Curves) -> float:
    """Return the highest value that is drawn; 0 when there is none."""
    parts = [p for p in (*curves.lines.values(), curves.high) if p is not None and len(p)]
    known = [float(np.fmax.reduce(p)) for p in parts]
    return max((k for k in known if np.isfinite(k)), default=0.0)


def line_chart(page: PageData, name: str, place: str, arrays: PageArrays) -> Chart:
    """Return the chart of a figure."""
    curves = page.charts[name]
    lines = _band(curves, arrays)
    for host, values in curves.lines.items():
        n = page.named.index(host)
        lines.append(_line(safe_text(host), arrays.add(values), host_colour(page, n), n))
    about = BY_NAME[name]
    return {
        "name": name,
        "place": place,
        "unit": about.unit,
        "percent": about.scale is Scale.PERCENT,
        "height": _HEIGHT,
        "x": None if page.exact else arrays.add(page.x_ms),
        "lines": lines,
        "band": curves.middle is not None,
        "area": False,
    }


def _line(name: str, values: int, colour: str, host: int | None = None) -> Line:
    return {"name": name, "values": values, "colour": colour, "host": host}


def host_colour(page: PageData, n: int) -> str:
    """Return the colour of ``page.named[n]``. The median's, where there is one, is the first."""
    return COLOURS[n if page.few else 1 + n % (len(COLOURS) - 1)]


def _band(curves: Curves, arrays: PageArrays) -> list[Line]:
    """Return the lines over all hosts; none of few hosts."""
    if curves.low is None or curves.middle is None or curves.high is None:
        return []
    return [
        _line("highest host", arrays.add(curves.high), BAND),
        _line("median host", arrays.add(curves.middle), MIDDLE),
        _line("lowest host", arrays.add(curves.low), BAND),
    ]


def missing_chart(page: PageData, place: str, arrays: PageArrays) -> Chart | None:
    """Return how many hosts have no sample over time; None when none was missed."""
    if not len(page.missing) or not np.nanmax(page.missing) > 0:
        return None
    line = _line("hosts without a sample", arrays.add(page.missing), COLOURS[1])
    return {
        "name": "missing",
        "place": place,
        "unit": "hosts",
        "percent": False,
        "height": _HEIGHT_MISSING,
        "x": None if page.exact else arrays.add(page.x_ms),
        "lines": [line],
        "band": False,
        "area": True,
    }
