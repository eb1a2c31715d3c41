"""The map of hosts over time: a byte per cell, brighter is more, with a figure to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, PlainText
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from mpi_collector.report.page.charts import Range, empty_chart
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.downsample import Float32
from mpi_collector.report.quantity import axis_scale, number
from mpi_collector.store.figures import BY_NAME, HEAT_MAPPED
from mpi_collector.terminal_text import safe_text

UNKNOWN = 255  #: the byte of a cell that was not recorded
_HIGHEST = 254
_MIN_HEIGHT = 240
_MAX_HEIGHT = 700
_NAMES = 16  #: hosts whose name stands beside their row
_NAME_LENGTH = 8


class HeatFigure(TypedDict):
    """What the script knows of a figure. ``step``: value of a byte. ``top``: the greatest value."""

    name: str
    label: str
    unit: str
    step: float
    top: str


class HeatChart(NamedTuple):
    """The chart, hosts from top to bottom, and its figures."""

    plot: figure
    figures: list[HeatFigure]


class Shades(NamedTuple):
    """Bytes in the shape of the values, and the value of the byte 254."""

    codes: npt.NDArray[np.uint8]
    top: float


def shade(values: Float32) -> Shades:
    """Return values as bytes: 254ths of the greatest, rounded up, so that little is not nothing."""
    known = np.isfinite(values)
    top = float(values[known].max()) if known.any() else 0.0
    top = top if top > 0 else 1.0
    codes = np.full(values.shape, UNKNOWN, dtype=np.uint8)
    codes[known] = np.clip(np.ceil(values[known] / top * _HIGHEST), 0, _HIGHEST)
    return Shades(codes, top)


def heat_map(page: PageData) -> HeatChart | None:
    """Return the map; None for few hosts, whose lines show the same."""
    offered = {f.name: page.charts[f.name].heat for f in HEAT_MAPPED if f.name in page.charts}
    rows = {name: heat for name, heat in offered.items() if heat is not None}
    if not rows:
        return None
    hosts = len(page.hosts)
    step = float(page.x_ms[1] - page.x_ms[0]) if len(page.x_ms) > 1 else 1.0
    times = Range(float(page.x_ms[0]) - step / 2, float(page.x_ms[-1]) + step / 2)
    height = min(max(hosts * 3, _MIN_HEIGHT), _MAX_HEIGHT)
    plot = empty_chart(page, "heat", times, Range(0.0, float(hosts)), height)
    _name_rows(plot, page.hosts)
    plot.ygrid.grid_line_color = None
    mapper = LinearColorMapper(palette=[*Cividis256[:UNKNOWN], "#00000000"], low=0, high=UNKNOWN)
    about = [
        _draw(plot, name, heat, times, mapper, visible=not n)
        for n, (name, heat) in enumerate(rows.items())
    ]
    return HeatChart(plot, about)


def _draw(
    plot: figure, name: str, heat: Float32, times: Range, mapper: LinearColorMapper, visible: bool
) -> HeatFigure:
    """Add the image of a figure. ``heat``: (hosts, points)."""
    codes, top = shade(heat[::-1])  # the first row of an image lies at the bottom
    data = {
        "image": [codes],
        "x": [times.start],
        "y": [0],
        "dw": [times.end - times.start],
        "dh": [len(heat)],
    }
    plot.image(
        "image",
        x="x",
        y="y",
        dw="dw",
        dh="dh",
        source=ColumnDataSource(data),
        color_mapper=mapper,
        name=f"heat {name}",
        visible=visible,
    )
    unit, by = axis_scale(BY_NAME[name].unit, top)
    return {
        "name": name,
        "label": BY_NAME[name].label,
        "unit": unit,
        "step": top / by / _HIGHEST,
        "top": f"{number(top, by)} {unit}",
    }


def _name_rows(plot: figure, hosts: Sequence[str]) -> None:
    """Label some rows, evenly spaced, with the end of the host's name, which distinguishes it."""
    rows = range(0, len(hosts), -(-len(hosts) // _NAMES))
    at = [len(hosts) - n - 0.5 for n in rows]
    plot.yaxis[0].ticker = FixedTicker(ticks=at)
    names = [safe_text(hosts[n]) for n in rows]
    short = [
        name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :] for name in names
    ]
    plot.yaxis[0].major_label_overrides = {
        y: PlainText(text=name) for y, name in zip(at, short)
    }  # PlainText: a name is never read as a formula


def gradient() -> str:
    """Return the colours from 0 to the greatest value, as CSS."""
    return ", ".join(Cividis256[n] for n in range(0, UNKNOWN, 31))
