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
from mpi_collector.report.page.templates import piece
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
NO_SCRIPT = Markup(
    "<noscript><p>The charts need JavaScript; the tables do not.</p></noscript>"
    "<p class='old-browser' hidden>The charts need a browser released in 2023 or later; the tables "
    "do not.</p>"
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
    body = fill(
        "recording.html",
        sections=_SECTIONS,
        findings=sections.findings(page),
        figures=sections.figures(page),
        notes=page.summary["notes"],
        help=_HELP,
        reduced=_reduced(page),
        controls=controls(page) if builder.about else "",
        heat=heat,
        charts=charts,
        no_script=NO_SCRIPT,
        devices=devices(page),
        phases=sections.phases(page) + sections.marks(page),
        machines=machines(page),
        missed=sections.missed(page),
        changed=sections.changed(page),
        of_hosts=sections.hosts(page),
        of_devices=sections.devices(page),
        counted=sections.counted(page),
    )
    verdict = sections.verdict(page.run, line(page.run["verdict"]), page.summary["verdict_remarks"])
    facts = piece('<dl class="facts">{{ facts }}</dl>', facts=sections.facts(page))
    return document_html(
        title=str(page.run.get("run", "")),
        head=verdict + limits(page) + facts,
        body=body,
        builder=builder,
        program=f"{page.run.get('program', '')}; ",
    )


def _reduced(page: PageData) -> str:
    """Return how the values were reduced, as a sentence; "" when every sample is a point."""
    if not page.bin_s:
        return ""
    how = "its lowest and highest value" if page.few else "lowest, mean and highest value"
    return f" Each point covers {page.bin_s:g} s: {how} are drawn, so no peak is lost."


def controls(page: PageData) -> Markup:
    """Return the HTML above the charts: buttons and strip of phases, which stay in view; legend."""
    band = {"middle": MIDDLE, "colour": BAND, "hosts": len(page.hosts)}
    named = page.named if not page.few or len(page.named) > 1 else []
    return fill(
        "controls.html",
        buttons=_BUTTONS,
        zone=not page.relative,
        strip=bool(page.marks),
        band=None if page.few else band,
        lines=[(host, host_colour(page, n)) for n, host in enumerate(named)],
    )


def document_html(
    title: str, head: Markup, body: Markup, builder: PageBuilder, program: str = ""
) -> str:
    """Return one HTML document that loads nothing."""
    about = data_script("about", builder.script_about())
    scripts = page_scripts(builder.arrays.text())
    return str(
        fill(
            "page.html",
            policy=_POLICY,
            title=title,
            style=Markup(page_style()),
            head=head,
            body=body,
            program=program,
            version=__version__,
            scripts=Markup(about + "\n" + scripts),
        )
    )
