"""The charts of the page and the HTML around each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypedDict

from bokeh.core.json_encoder import serialize_json
from bokeh.embed.util import OutputDocumentFor, standalone_docs_json_and_render_items
from bokeh.plotting import figure

from mpi_collector.report.page import sections
from mpi_collector.report.page.charts import (
    Line,
    RenderedChart,
    drawn_figures,
    line_chart,
    missing_chart,
    zero_figures,
)
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.heat import HeatFigure, gradient, heat_map
from mpi_collector.report.page.phases import phase_spans
from mpi_collector.report.page.scripts import data_script, page_scripts
from mpi_collector.report.quantity import quantity
from mpi_collector.store.figures import BY_NAME, UNCHARTED


class ChartInfo(TypedDict):
    """What the script knows of a chart. ``place``: the id of its element."""

    name: str
    place: str
    unit: str
    lines: list[Line]


class HeatMap(NamedTuple):
    """The HTML of the map of hosts over time, and its figures for the script; empty without one."""

    html: str
    figures: list[HeatFigure]


class PageBuilder:
    """Collects the charts with their places on the page.

    ``caption``: returns the HTML of a figure's caption from its name and the unit of its axis.
    """

    def __init__(
        self, page: PageData, caption: Callable[[PageData, str, str], str] | None = None
    ) -> None:
        self.plots: list[figure] = []
        self.about: list[ChartInfo] = []
        self.phases = phase_spans(page.marks)
        self._page = page
        self._caption = caption or _caption

    def _place(
        self, chart: RenderedChart, name: str, caption: str, label: str, wide: bool = False
    ) -> str:
        """Return the HTML around a chart."""
        place = f"chart-{len(self.plots)}"
        self.plots.append(chart.plot)
        self.about.append({"name": name, "place": place, "unit": chart.unit, "lines": chart.lines})
        kind = " class='wide'" if wide else ""
        return (
            f"<figure{kind} aria-label='{sections.esc(label)}'>{caption}"
            f"<div class='plot' id='{place}'{'' if wide else ' tabindex=0'}></div></figure>"
        )

    def charts(self) -> str:
        """Return the charts of all figures, and which figures have none."""
        out = []
        for name in drawn_figures(self._page):
            chart = line_chart(self._page, name, self.phases)
            caption = self._caption(self._page, name, chart.unit)
            out.append(self._place(chart, name, caption, BY_NAME[name].label))
        missing = missing_chart(self._page)
        if missing is not None:
            caption = "<figcaption><b>hosts without a sample</b></figcaption>"
            out.append(self._place(missing, "missing", caption, "hosts without a sample"))
        return f"<div class='grid'>{''.join(out)}</div>{self._not_drawn()}"

    def _not_drawn(self) -> str:
        out = ""
        zero = ", ".join(BY_NAME[n].label for n in zero_figures(self._page))
        if zero:
            out += f"<p class='quiet'>No chart, since always zero: {sections.esc(zero)}.</p>"
        for f, reason in UNCHARTED.items():
            if f in self._page.charts:
                label = sections.esc(BY_NAME[f].label)
                out += f"<p class='quiet'>No chart of {label}: {sections.esc(reason)}.</p>"
        return out

    def heat(self) -> HeatMap:
        """Return the map of hosts over time; empty for few hosts."""
        made = heat_map(self._page)
        if made is None:
            return HeatMap("", [])
        options = "".join(f"<option>{sections.esc(h['label'])}</option>" for h in made.figures)
        caption = (
            "<figcaption><label><b>hosts over time:</b> "
            f"<select id='heat-figure'>{options}</select></label>"
            "<span class='ramp' aria-hidden='true'>0"
            f"<i style='background: linear-gradient(to right, {gradient()})'></i>"
            "<span id='heat-top'></span></span>"
            "<output class='quiet' id='heat-at' aria-live='off'>a row per host</output>"
            "</figcaption>"
        )
        chart = RenderedChart(made.plot, "", [])
        return HeatMap(
            self._place(chart, "heat", caption, "hosts over time", wide=True), made.figures
        )

    def models(self) -> str:
        """Return the charts as data and the script that shows them; nothing without charts."""
        if not self.plots:
            return ""
        with OutputDocumentFor(self.plots):
            docs, (item,) = standalone_docs_json_and_render_items(self.plots)
        roots = {str(plot.id): f"chart-{n}" for n, plot in enumerate(self.plots)}
        item_json = {"docid": item.docid, "roots": roots, "root_ids": list(roots)}
        return (
            data_script("models", serialize_json(docs))
            + data_script("items", [item_json])
            + page_scripts()
        )


def _caption(page: PageData, name: str, unit: str) -> str:
    about = BY_NAME[name]
    total = page.summary["cluster"][name]
    several = len(page.hosts) > 1
    mean = quantity(total["mean"], about.unit)
    peak = quantity(total["peak"], about.unit)
    whole = f"{'all hosts: ' if several else ''}mean {mean}, peak {peak}"
    per = " per host" if several else ""
    return (
        f"<figcaption title='{sections.esc(about.doc)}'><b>{sections.esc(about.label)}</b> "
        f"{sections.esc(unit)}{per} <span class='quiet'>{sections.esc(whole)}</span></figcaption>"
    )
