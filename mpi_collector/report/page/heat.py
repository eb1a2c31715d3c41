"""The map of hosts over time: a byte per cell, brighter is more, with a figure to choose."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from mpi_collector.report.page.arrays import PageArrays
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.downsample import Float32
from mpi_collector.report.quantity import axis_scale, number
from mpi_collector.store.figures import BY_NAME, HEAT_MAPPED
from mpi_collector.terminal_text import safe_text

#: cividis, which the colour-blind see as others do, in steps of a sixteenth
PALETTE = (
    "#00204c",
    "#002b68",
    "#06366e",
    "#2c416b",
    "#414d6b",
    "#50586c",
    "#5f636e",
    "#6e6f72",
    "#7b7b78",
    "#8b8778",
    "#9b9377",
    "#aba174",
    "#bbad6f",
    "#ccbb68",
    "#deca5e",
    "#f0d951",
    "#ffe844",
)
UNKNOWN = 255  #: the byte of a cell that was not recorded
_HIGHEST = 254
_MIN_HEIGHT = 240
_MAX_HEIGHT = 700


class HeatFigure(TypedDict):
    """A figure of the map. ``codes``: number of the array of bytes. ``step``: value of a byte.

    ``top``: the greatest value.
    """

    name: str
    label: str
    unit: str
    codes: int
    step: float
    top: str


class HeatMap(TypedDict):
    """What the script knows of the map. ``begin``, ``end``: ms. Hosts go from top to bottom."""

    place: str
    height: int
    begin: float
    end: float
    columns: int
    hosts: list[str]
    palette: list[str]
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


def heat_map(page: PageData, place: str, arrays: PageArrays) -> HeatMap | None:
    """Return the map; None for few hosts, whose lines show the same."""
    offered = {f.name: page.charts[f.name].heat for f in HEAT_MAPPED if f.name in page.charts}
    rows = {name: heat for name, heat in offered.items() if heat is not None}
    if not rows:
        return None
    step = float(page.x_ms[1] - page.x_ms[0]) if len(page.x_ms) > 1 else 1.0
    return {
        "place": place,
        "height": min(max(len(page.hosts) * 3, _MIN_HEIGHT), _MAX_HEIGHT),
        "begin": float(page.x_ms[0]) - step / 2,
        "end": float(page.x_ms[-1]) + step / 2,
        "columns": len(page.x_ms),
        "hosts": [safe_text(h) for h in page.hosts],
        "palette": list(PALETTE),
        "figures": [_figure(name, heat, arrays) for name, heat in rows.items()],
    }


def _figure(name: str, heat: Float32, arrays: PageArrays) -> HeatFigure:
    """``heat``: (hosts, points)."""
    codes, top = shade(heat)
    unit, by = axis_scale(BY_NAME[name].unit, top)
    return {
        "name": name,
        "label": BY_NAME[name].label,
        "unit": unit,
        "codes": arrays.add(codes),
        "step": top / by / _HIGHEST,
        "top": f"{number(top, by)} {unit}",
    }


def gradient() -> str:
    """Return the colours from 0 to the greatest value, as CSS."""
    return ", ".join(PALETTE)
