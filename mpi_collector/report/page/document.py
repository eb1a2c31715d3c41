"""The page of a recording as one HTML document, which loads nothing.

It is put together here from its sections, charts, style, scripts and data.
"""

from __future__ import annotations

from markupsafe import Markup

from mpi_collector._version import __version__
from mpi_collector.formats.verdict_line import line
from mpi_collector.report.page import sections
from mpi_collector.report.page.builder import PageBuilder
from mpi_collector.report.page.charts import BAND, MIDDLE, host_colour
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.limits import limits
from mpi_collector.report.page.machines import devices, machines
from mpi_collector.report.page.scripts import data_script, page_scripts, page_style
from mpi_collector.report.page.templates import render as fill

#: nothing may be loaded from anywhere, whatever a name in the recording says
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_HELP = (
    "Drag across a chart to zoom in, double-click for the whole run; Ctrl + wheel zooms. Keys: "
    "+ and - zoom, arrows move, 0 shows the whole run, comma and full stop step through a chart, "
    "u changes between UTC and local time."
)
NO_SCRIPT = (
    "<noscript><p>The charts need scripts; the tables do not.</p></noscript>"
    "<p class='old-browser' hidden>The charts need a browser of 2023 or later; the tables do not."
    "</p>"
)
#: id of a section -> its heading
_SECTIONS = {
    "figures": "Figures",
    "charts": "Over time",
    "devices": "Devices",
    "phases": "Phases",
    "machines": "Machines",
    "missed": "Missing data",
    "changed": "What changed",
    "hosts": "Hosts",
}
#: (name for the script, sign, label) of the buttons above the charts
_BUTTONS = (
    ("in", "+", "zoom in"),
    ("out", "−", "zoom out"),
    ("left", "◀", "earlier"),
    ("right", "▶", "later"),
    ("all", "all", "whole run"),
)


def render(page: PageData) -> str:
    """Return the page of a recording as HTML."""
    builder = PageBuilder(page)
    charts = builder.charts()
    heat = builder.heat()
    controls = controls_html(page) if builder.about else ""
    notes = "".join(f"<li>{sections.esc(n)}</li>" for n in page.summary["notes"])
    links = "".join(f"<li><a href='#{i}'>{t}</a></li>" for i, t in _SECTIONS.items())
    verdict = sections.verdict(page.run, line(page.run["verdict"]), page.summary["verdict_remarks"])
    head = f"""{verdict}{limits(page)}<dl class="facts">{sections.facts(page)}</dl>"""
    tables = f"""{sections.figures(page)}<ul class="quiet notes">{notes}</ul>"""
    body = f"""<nav aria-label="sections"><ul>{links}</ul></nav>
<section id="figures"><h2>Figures</h2>
{sections.findings(page)}<p class="quiet figures-of">of the whole run</p>
<div class="tables">{tables}</div></section>
<section id="charts" tabindex="-1"><h2>Over time</h2>
<p class="quiet"><span class="keys">{_HELP}</span>{sections.esc(_reduced(page))}</p>
{controls}{heat}{charts}{NO_SCRIPT}</section>
<section id="devices"><h2>Devices</h2>{devices(page)}</section>
<section id="phases"><h2>Phases</h2>{sections.phases(page)}{sections.marks(page)}</section>
<section id="machines"><h2>Machines</h2>{machines(page)}</section>
<section id="missed"><h2>Missing data</h2>{sections.missed(page)}</section>
<section id="changed"><h2>What changed</h2>{sections.changed(page)}</section>
{_hosts(page)}"""
    return document_html(
        title=sections.esc(page.run.get("run", "")),
        head=head,
        body=body,
        builder=builder,
        program=f"{sections.esc(page.run.get('program', ''))}; ",
    )


def _reduced(page: PageData) -> str:
    """Return how the values were reduced, as a sentence; "" when every sample is a point."""
    if not page.bin_s:
        return ""
    how = "its lowest and highest value" if page.few else "lowest, mean and highest value"
    return f" Each point covers {page.bin_s:g} s: {how} are drawn, so no peak is lost."


def _hosts(page: PageData) -> str:
    return (
        "<section id='hosts'><h2>Hosts</h2>"
        f"<details><summary>figures of every host</summary>{sections.hosts(page)}</details>"
        f"<details><summary>figures of every device</summary>{sections.devices(page)}</details>"
        "<details><summary>devices counted in the totals</summary>"
        f"{sections.counted(page)}</details>"
        "</section>"
    )


def controls_html(page: PageData) -> str:
    """Return the HTML above the charts: buttons and strip of phases, which stay in view; legend."""
    buttons = "".join(
        f"<button type='button' data-act='{act}' aria-label='{label}'>{sign}</button>"
        for act, sign, label in _BUTTONS
    )
    zone = "<button type='button' data-act='zone'>UTC / local</button>"
    zone = "" if page.relative else zone
    # hidden from screen readers: the table of phases has the same buttons
    strip = "<div id='strip' aria-hidden='true'></div>" if page.marks else ""
    return (
        f"<div class='top'><div class='bar'>{buttons}<output id='window' class='quiet'></output>"
        f"{zone}"
        f"<button type='button' id='theme'>light / dark</button></div>{strip}</div>"
        f"<div class='bar legend'>{_legend(page)}</div>"
    )


def _legend(page: PageData) -> str:
    """Return a button per line that has a host's name."""
    out = ""
    if not page.few:
        median = f"<i class='swatch' style='background:{MIDDLE}'></i>"
        band = f"<i class='swatch band' style='background:{BAND}'></i>"
        out = (
            f"<span>{median}median host</span> "
            f"<span>{band}lowest to highest of {len(page.hosts)} hosts</span> "
        )
    elif len(page.named) < 2:
        return out
    for n, host in enumerate(page.named):
        swatch = f"<i class='swatch' style='background:{host_colour(page, n)}'></i>"
        out += (
            f"<button type='button' data-host='{n}' aria-pressed='true'>"
            f"{swatch}{sections.esc(host)}</button>"
        )
    return out


def document_html(title: str, head: str, body: str, builder: PageBuilder, program: str = "") -> str:
    """Return one HTML document that loads nothing. All arguments but ``builder`` are HTML."""
    about = data_script("about", builder.script_about())
    scripts = page_scripts(builder.arrays.text())
    return str(
        fill(
            "page.html",
            policy=_POLICY,
            title=Markup(title),
            style=Markup(page_style()),
            head=Markup(head),
            body=Markup(body),
            program=Markup(program),
            version=__version__,
            scripts=Markup(about + "\n" + scripts),
        )
    )
