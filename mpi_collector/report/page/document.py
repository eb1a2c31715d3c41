"""The file: parts, charts, styles, scripts and data in one document that asks nobody for anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from bokeh.core.json_encoder import serialize_json
from bokeh.embed.util import OutputDocumentFor, standalone_docs_json_and_render_items
from bokeh.plotting import figure
from bokeh.resources import Resources

from mpi_collector._version import __version__
from mpi_collector.formats.verdict import line
from mpi_collector.report.page import sections
from mpi_collector.report.page.charts import (
    BAND,
    BORDER,
    MIDDLE,
    RenderedChart,
    colour,
    ends,
    flat,
    line_chart,
    missing_chart,
    shown,
)
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.heat import gradient, heat_map
from mpi_collector.report.page.phases import phase_spans
from mpi_collector.report.quantity import quantity
from mpi_collector.store.figures.derive import BY_NAME
from mpi_collector.terminal_text import safe_text

#: nothing may be fetched from anywhere, whatever a name in the recording says
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
_HELP = (
    "Drag across a chart to zoom in, double-click to see all; Ctrl and the wheel zoom. "
    "Keys: + and - zoom, arrows move, 0 shows all, comma and full stop step through a chart."
)
_SECTIONS = (
    *(("figures", "Figures"), ("charts", "Over time"), ("phases", "Phases")),
    *(("missed", "What was missed"), ("changed", "What changed"), ("hosts", "Hosts")),
)


def data_script(name: str, document: object) -> str:
    """A JSON document that no text inside can end early."""
    text = document if isinstance(document, str) else json.dumps(document, allow_nan=False)
    for bad, good in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(bad, good)
    return f'<script type="application/json" id="{name}">{text}</script>'


def _caption(page: PageData, name: str, unit: str) -> str:
    about, total = BY_NAME[name], page.summary["cluster"][name]
    several = len(page.hosts) > 1
    mean, peak = quantity(total["mean"], about.unit), quantity(total["peak"], about.unit)
    whole = f"{'all hosts: ' if several else ''}mean {mean}, peak {peak}"
    per = " per host" if several else ""
    return (f"<figcaption title='{sections.esc(about.doc)}'><b>{sections.esc(about.label)}</b> {sections.esc(unit)}{per} "
            f"<span class='quiet'>{sections.esc(whole)}</span></figcaption>")  # fmt: skip


class Builder:
    """Collects the charts with their places on the page."""

    def __init__(self, page: PageData) -> None:
        self.page = page
        self.phases = phase_spans(page.marks)
        self.plots: list[figure] = []
        self.about: list[dict[str, Any]] = []  #: what the script knows of each
        self.caption: Callable[[PageData, str, str], str] = _caption

    def place(
        self, drawn: RenderedChart, name: str, caption: str, label: str, wide: bool = False
    ) -> str:
        """The HTML around a chart."""
        place = f"chart-{len(self.plots)}"
        self.plots.append(drawn.plot)
        self.about.append({"name": name, "place": place, "unit": drawn.unit, "lines": drawn.lines})
        kind = " class='wide'" if wide else ""
        return (
            f"<figure{kind} aria-label='{sections.esc(label)}'>{caption}"
            f"<div class='plot' id='{place}'{'' if wide else ' tabindex=0'}></div></figure>"
        )

    def charts(self) -> str:
        out = []
        for name in shown(self.page):
            drawn = line_chart(self.page, name, self.phases)
            out.append(
                self.place(
                    drawn, name, self.caption(self.page, name, drawn.unit), BY_NAME[name].label
                )
            )
        missing = missing_chart(self.page)
        if missing is not None:
            caption = "<figcaption><b>hosts without a sample</b></figcaption>"
            out.append(self.place(missing, "missing", caption, "hosts without a sample"))
        without = ", ".join(BY_NAME[n].label for n in flat(self.page))
        rest = (
            f"<p class='quiet'>No chart, since there was nothing but zero: {sections.esc(without)}.</p>"
            if without
            else ""
        )
        return f"<div class='grid'>{''.join(out)}</div>{rest}"

    def heat(self) -> tuple[str, list[dict[str, Any]] | None]:
        made = heat_map(self.page)
        if made is None:
            return "", None
        plot, about = made
        options = "".join(f"<option>{sections.esc(h['label'])}</option>" for h in about)
        caption = (
            "<figcaption><label><b>hosts over time:</b> "
            f"<select id='heat-figure'>{options}</select></label><span class='ramp' aria-hidden='true'>0"
            f"<i style='background: linear-gradient(to right, {gradient()})'></i><span id='heat-top'></span></span>"
            "<output class='quiet' id='heat-at' aria-live='off'>a row per host</output></figcaption>"
        )
        return self.place(
            RenderedChart(plot, "", []), "heat", caption, "hosts over time", wide=True
        ), about

    def models(self) -> str:
        """The charts themselves and the script that shows them; nothing without charts."""
        if not self.plots:
            return ""
        with OutputDocumentFor(self.plots):
            docs, (item,) = standalone_docs_json_and_render_items(self.plots)
        roots = {str(plot.id): f"chart-{n}" for n, plot in enumerate(self.plots)}
        item_json = {"docid": item.docid, "roots": roots, "root_ids": list(roots)}
        return (
            data_script("models", serialize_json(docs))
            + data_script("items", [item_json])
            + _script()
        )


def legend(page: PageData) -> str:
    """A button per line that has a host's name."""
    out = ""
    if not page.few:
        median, band = (
            f"<i class='swatch{k}' style='background:{c}'></i>"
            for k, c in (("", MIDDLE), (" band", BAND))
        )
        out = f"<span>{median}median host</span> <span>{band}lowest to highest of {len(page.hosts)} hosts</span> "
    elif len(page.named) < 2:
        return out
    for n, host in enumerate(page.named):
        swatch = f"<i class='swatch' style='background:{colour(page, n)}'></i>"
        out += f"<button type='button' data-host='{n}' aria-pressed='true'>{swatch}{sections.esc(host)}</button>"
    return out


def legend_bar(page: PageData) -> str:
    acts = (("in", "+", "zoom in"), ("out", "−", "zoom out"), ("left", "◀", "earlier"), ("right", "▶", "later"),
            ("all", "all", "whole run"))  # fmt: skip
    buttons = "".join(
        f"<button type='button' data-act='{a}' aria-label='{label}'>{sign}</button>"
        for a, sign, label in acts
    )
    strip = (
        "<div id='strip' aria-hidden='true'></div>" if page.marks else ""
    )  # the table of phases has the same buttons
    return (f"<div class='top'><div class='bar'>{buttons}<output id='window' class='quiet'></output>"
            f"<button type='button' id='theme'>light / dark</button></div>{strip}</div>"
            f"<div class='bar legend'>{legend(page)}</div>")  # fmt: skip


def _reduced(page: PageData) -> str:
    if not page.bin_s:
        return ""
    how = "its least and greatest value" if page.few else "lowest, mean and highest value"
    return f" Each point covers {page.bin_s:g} s: {how} are drawn, so no peak is lost."


def _script() -> str:
    own = files("mpi_collector.report.page")
    library = "\n".join(
        Resources(mode="inline", components=["bokeh"], minified=True, log_level="error").js_raw
    )
    safe = library.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f"<script>{safe}</script>\n<script>{own.joinpath('page.js').read_text('utf-8')}</script>"


def script_about(
    page: PageData, builder: Builder, heat: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """What the script needs to know."""
    first, last = ends(page)
    return {
        "start": first,
        "end": last,
        "border": BORDER,
        "hosts": [safe_text(h) for h in page.hosts] if heat else [],
        "heat": heat,
        "relative": page.relative,
        "charts": builder.about,
        "marks": [[m.begin_ms, m.end_ms] for m in page.marks],
        "phases": [
            [p.begin_ms, p.end_ms, safe_text(p.text), p.lane, p.tone] for p in builder.phases
        ],
    }


def _hosts(page: PageData) -> str:
    return (
        f"<section id='hosts'><h2>Hosts</h2><details><summary>figures of every host</summary>{sections.hosts(page)}"
        f"</details><details><summary>what the totals are made of</summary>{sections.counted(page)}</details></section>"
    )


def render(page: PageData) -> str:
    """The whole page."""
    builder = Builder(page)
    charts = builder.charts()
    heat, heat_about = builder.heat()
    controls = legend_bar(page) if builder.plots else ""
    title = sections.esc(page.run.get("run", ""))
    notes = "".join(f"<li>{sections.esc(n)}</li>" for n in page.summary["notes"])
    links = "".join(f"<li><a href='#{i}'>{t}</a></li>" for i, t in _SECTIONS)
    head = f"""{sections.verdict(page.run, line(page.run["verdict"]))}<dl class="facts">{sections.facts(page)}</dl>"""
    body = f"""<nav aria-label="sections"><ul>{links}</ul></nav>
<section id="figures"><h2>Figures</h2>
{sections.findings(page)}<div class="tables">{sections.figures(page)}<ul class="quiet notes">{notes}</ul></div></section>
<section id="charts" tabindex="-1"><h2>Over time</h2>
<p class="quiet"><span class="keys">{_HELP}</span>{sections.esc(_reduced(page))}</p>
{controls}{heat}{charts}<noscript><p>The charts need scripts; the tables do not.</p></noscript></section>
<section id="phases"><h2>Phases</h2>{sections.marks(page)}</section>
<section id="missed"><h2>What was missed</h2>{sections.missed(page)}</section>
<section id="changed"><h2>What changed</h2>{sections.changed(page)}</section>
{_hosts(page)}"""
    program = sections.esc(page.run.get("program", ""))
    return document_html(
        title,
        head,
        body,
        script_about(page, builder, heat_about),
        builder.models(),
        f"{program}; ",
    )


def document_html(
    title: str, head: str, body: str, about: dict[str, Any], models: str, program: str = ""
) -> str:
    """One file that asks nobody for anything. All arguments but ``about`` are HTML already."""
    style = files("mpi_collector.report.page").joinpath("page.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>{head}</header>
<main>
{body}
</main>
<footer class="quiet">{program}page by mpi_collector {__version__}</footer>
{data_script("about", about)}
{models}
</body>
</html>
"""
