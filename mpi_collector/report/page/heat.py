"""Hosts x time as colours: a byte per cell, brighter is more, with a figure to choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, PlainText
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from mpi_collector.report.page.charts import frame
from mpi_collector.report.page.data import Float32, PageData
from mpi_collector.report.quantity import axis_scale, number
from mpi_collector.store.figures.derive import BY_NAME
from mpi_collector.terminal_text import safe_text

FIGURES = ("read_bytes_per_s", "write_bytes_per_s", "read_latency_ms", "write_latency_ms", "utilisation_max_percent",
           "cpu_busy_percent", "cpu_iowait_percent", "net_rx_bytes_per_s", "net_tx_bytes_per_s")  # fmt: skip
UNKNOWN = 255  #: the byte of a cell that was not recorded
_HIGHEST = 254
_HEIGHT = (240, 700)
_NAMES, _NAME_LENGTH = 16, 8  #: that fit beside the rows


def shade(values: Float32) -> tuple[npt.NDArray[np.uint8], float]:
    """(bytes of the shape of ``values``, value of the byte ``_HIGHEST``); a byte is a 254th of the greatest value."""
    known = np.isfinite(values)
    top = float(values[known].max()) if known.any() else 0.0
    top = top if top > 0 else 1.0
    codes = np.full(values.shape, UNKNOWN, dtype=np.uint8)
    codes[known] = np.clip(
        np.ceil(values[known] / top * _HIGHEST), 0, _HIGHEST
    )  # up: what is little is not nothing
    return codes, top


def heat_map(page: PageData) -> tuple[figure, list[dict[str, Any]]] | None:
    """The chart, hosts from top to bottom, and for every figure its name, label, unit and the value of a byte.

    None for few hosts, whose lines say the same.
    """
    names = [n for n in FIGURES if n in page.charts and page.charts[n].heat is not None]
    if not names:
        return None
    hosts = len(page.hosts)
    step = float(page.x_ms[1] - page.x_ms[0]) if len(page.x_ms) > 1 else 1.0
    first, last = float(page.x_ms[0]) - step / 2, float(page.x_ms[-1]) + step / 2
    plot = frame(
        page,
        "heat",
        (first, last),
        (0.0, float(hosts)),
        min(max(hosts * 3, _HEIGHT[0]), _HEIGHT[1]),
    )
    _name_rows(plot, page.hosts)
    plot.ygrid.grid_line_color = None
    mapper = LinearColorMapper(palette=[*Cividis256[:UNKNOWN], "#00000000"], low=0, high=UNKNOWN)
    about = []
    for n, name in enumerate(names):
        heat = page.charts[name].heat
        assert heat is not None
        codes, top = shade(heat[::-1])  # the first row of an image lies at the bottom
        source = ColumnDataSource(
            {"image": [codes], "x": [first], "y": [0], "dw": [last - first], "dh": [hosts]}
        )
        plot.image("image", x="x", y="y", dw="dw", dh="dh", source=source, color_mapper=mapper, name=f"heat {name}",
                   visible=not n)  # fmt: skip
        unit, by = axis_scale(BY_NAME[name].unit, top)
        about.append({"name": name, "label": BY_NAME[name].label, "unit": unit, "step": top / by / _HIGHEST,
                      "top": f"{number(top, by)} {unit}"})  # fmt: skip
    return plot, about


def _name_rows(plot: figure, hosts: list[str]) -> None:
    """Some of the hosts, evenly, beside their rows: the end of a name is what tells them apart."""
    rows = range(0, len(hosts), -(-len(hosts) // _NAMES))
    at = [len(hosts) - n - 0.5 for n in rows]
    plot.yaxis[0].ticker = FixedTicker(ticks=at)
    names = [safe_text(hosts[n]) for n in rows]
    short = [
        name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :] for name in names
    ]
    plot.yaxis[0].major_label_overrides = {
        y: PlainText(text=name) for y, name in zip(at, short)
    }  # no formula


def gradient() -> str:
    """The colours from nothing to most, as CSS."""
    return ", ".join(Cividis256[n] for n in range(0, UNKNOWN, 31))
