"""The charts of the page and the HTML around each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from mpi_collector.report.page.arrays import PageArrays
from mpi_collector.report.page.charts import (
    BORDER,
    COLOURS,
    Chart,
    drawn_figures,
    greatest_value,
    line_chart,
    missing_chart,
    time_range,
    zero_figures,
)
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.heat import HeatMap, gradient, heat_map
from mpi_collector.report.page.limits import shown_claims
from mpi_collector.report.page.phases import phase_spans
from mpi_collector.report.page.templates import piece, render
from mpi_collector.report.page.window_rows import RowValues
from mpi_collector.report.quantity import axis_scale, quantity, unit_scales
from mpi_collector.store.figures import BY_NAME, FIGURES, UNCHARTED
from mpi_collector.store.figures.figure import Scale
from mpi_collector.terminal_text import safe_text


class PageBuilder:
    """Collects the charts with their places on the page, and the arrays that they draw.

    ``caption``: returns the HTML of a figure's caption from its name and the unit of its axis.
    """

    def __init__(
        self, page: PageData, caption: Callable[[PageData, str, str], Markup] | None = None
    ) -> None:
        self.arrays = PageArrays()
        self.about: list[Chart] = []
        self.heat_map: HeatMap | None = None
        self.phases = phase_spans(page.marks)
        self._page = page
        self._caption = caption or _caption

    def _next_place(self) -> str:
        return f"chart-{len(self.about)}"

    def charts(self) -> Markup:
        """Return the charts of all figures, and which figures have none."""
        out = []
        for name in drawn_figures(self._page):
            place = self._next_place()
            self.about.append(line_chart(self._page, name, place, self.arrays))
            unit = axis_scale(BY_NAME[name].unit, greatest_value(self._page.charts[name])).unit
            caption = self._caption(self._page, name, unit)
            out.append(_around(place, caption, BY_NAME[name].label))
        missing = missing_chart(self._page, self._next_place(), self.arrays)
        if missing is not None:
            self.about.append(missing)
            caption = piece("<figcaption><b>hosts without a sample</b></figcaption>")
            out.append(_around(missing["place"], caption, "hosts without a sample"))
        zero = ", ".join(BY_NAME[n].label for n in zero_figures(self._page))
        uncharted = [(BY_NAME[f].label, r) for f, r in UNCHARTED.items() if f in self._page.charts]
        return render("charts.html", figures=out, zero=zero, uncharted=uncharted)

    def heat(self) -> Markup:
        """Return the map of hosts over time; empty for few hosts."""
        self.heat_map = heat_map(self._page, "heat", self.arrays)
        if self.heat_map is None:
            return Markup()
        labels = [h["label"] for h in self.heat_map["figures"]]
        caption = render("heat.html", labels=labels, gradient=gradient())
        return _around("heat", caption, "hosts over time", wide=True)

    def script_about(self) -> dict[str, Any]:
        """Return what the script needs to know, under the keys that it reads.

        Times are ms, as in ``PageData.x_ms``. To be called when all charts are made.
        """
        page = self._page
        first, last = time_range(page)
        about = {
            "start": first,
            "end": last,
            "border": BORDER,
            "hosts": [safe_text(h) for h in page.hosts] if page.few else page.hosts[:0],
            "several": len(page.hosts) > 1,
            "heat": self.heat_map,
            "relative": page.relative,
            "charts": self.about,
            "scales": unit_scales(),
            "rows": self._rows(),
            "marks": [[m.begin_ms, m.end_ms] for m in page.marks],
            "claims": shown_claims(page),
            "devices": self._devices(),
            "phases": [
                [p.begin_ms, p.end_ms, safe_text(p.text), p.lane, p.tone] for p in self.phases
            ],
        }
        return {**about, "arrays": self.arrays.kinds}

    def _devices(self) -> dict[str, Any] | None:
        """Return the lines of single devices; None where there are none."""
        found = self._page.devices
        if found is None or not found.devices:
            return None
        several = len(self._page.hosts) > 1
        drawn = {name for device in found.devices for name in device.lines}
        return {
            "x": self.arrays.add(found.x_ms),
            "figures": {
                f.name: {"label": f.label, "unit": f.unit, "percent": f.scale is Scale.PERCENT}
                for f in FIGURES
                if f.name in drawn
            },
            "colours": COLOURS,
            "list": [
                {
                    "name": safe_text(f"{d.host}: {d.name}" if several else d.name),
                    "lines": {
                        name: [self.arrays.add(line.values), _number(line.mean), _number(line.peak)]
                        for name, line in d.lines.items()
                    },
                }
                for d in found.devices
            ],
        }

    def _rows(self) -> dict[str, Any] | None:
        """Return what the figures of a window are computed from; None for a comparison."""
        page = self._page
        if not len(page.end_ms):
            return None
        number = {key: n for n, key in enumerate(page.hosts)}
        figures = {
            name: {
                "unit": BY_NAME[name].unit,
                "total": self._numbers(rows.total),
                "hosts": {number[key]: self._numbers(of) for key, of in rows.hosts.items()},
            }
            for name, rows in page.rows.items()
        }
        ends = (self.arrays.add(page.begin_ms), self.arrays.add(page.end_ms))
        return {"begin": ends[0], "end": ends[1], "figures": figures}

    def _numbers(self, rows: RowValues) -> list[int | None]:
        return [None if part is None else self.arrays.add(part) for part in rows]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _around(place: str, caption: Markup, label: str, wide: bool = False) -> Markup:
    """Return the HTML around a chart."""
    return render("figure.html", place=place, caption=caption, label=label, wide=wide)


def _caption(page: PageData, name: str, unit: str) -> Markup:
    about = BY_NAME[name]
    total = page.summary["cluster"][name]
    several = len(page.hosts) > 1
    mean = quantity(total["mean"], about.unit)
    peak = quantity(total["peak"], about.unit)
    return render(
        "caption.html",
        figure=name,
        doc=about.doc,
        label=about.label,
        unit=unit,
        per=" per host" if several else "",
        whole=f"{'all hosts: ' if several else ''}mean {mean}, peak {peak}",
    )
