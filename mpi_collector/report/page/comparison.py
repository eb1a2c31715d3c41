"""The page of a comparison: two recordings on the same axes, a line for each.

Times count from the start of each recording, or of the phase both are aligned at.
"""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.cluster import Cluster, aggregate_hosts
from mpi_collector.report.compare import compare
from mpi_collector.report.compare_text import PHASE_FIGURES, interval_text, quantity_of
from mpi_collector.report.compared import WHOLE_RUN_FIGURES, ComparedFigure, Comparison
from mpi_collector.report.figure_tables import by_group, shown_in_tables
from mpi_collector.report.page import sections
from mpi_collector.report.page.builder import PageBuilder
from mpi_collector.report.page.charts import COLOURS
from mpi_collector.report.page.data import Curves, PageData
from mpi_collector.report.page.document import NO_SCRIPT, controls, document_html
from mpi_collector.report.page.downsample import Float32
from mpi_collector.report.page.templates import piece, render
from mpi_collector.report.quantity import duration
from mpi_collector.report.summary import document
from mpi_collector.store.figures import BY_NAME
from mpi_collector.store.host import Float64
from mpi_collector.store.recording import Recording
from mpi_collector.terminal_text import cut_in_the_middle

_POINTS = 1500
_COLOURED = ("better", "worse", "higher", "lower")
_UNKNOWN = "–"


def comparison_page(a: Recording, b: Recording, since: str = "the start") -> str:
    """Return the page as HTML. ``since``: where both are aligned, in words.

    RecordingError when one cannot be read.
    """
    found = compare([a], [b])
    data = comparison_data(a, b)
    builder = PageBuilder(data, _caption)
    charts = builder.charts()
    body = render(
        "compared.html",
        figures=_figures(found),
        phases=_phases(found),
        since=since,
        controls=controls(data),
        charts=charts,
        no_script=NO_SCRIPT,
        differences=found.differences,
    )
    names = [str(r.run.get("run", "")) for r in (a, b)]
    return document_html(" and ".join(names), _head(found, names), body, builder)


def _head(found: Comparison, names: list[str]) -> Markup:
    rows: list[list[str]] = []
    for n, run in enumerate(found.runs):
        label = piece(
            "<i class='swatch' style='background:{{ colour }}'></i>{{ side }}",
            colour=COLOURS[n],
            side=run.side,
        )
        about = run.summary["run"]
        code = about.get("command_exit_code")
        facts = [
            names[n],
            run.summary["verdict"]["verdict"],
            len(run.summary["hosts"]),
            duration(run.summary["span_s"]),
            cut_in_the_middle(" ".join(about.get("command") or [_UNKNOWN])),
            _UNKNOWN if code is None else code,
            run.path,
        ]
        rows.append([label, *map(str, facts)])
    head = ["", "run", "verdict", "hosts", "compared", "command", "exit code", "file"]
    doubts = Markup().join(
        piece("<p class='bad'>Not comparable: {{ text }}</p>", text=d.text) for d in found.doubts
    )
    return sections.table(head, rows, "recordings compared", text=True) + doubts


def comparison_data(a: Recording, b: Recording) -> PageData:
    """Return values of all hosts of both, on one grid of ms since what they are aligned at."""
    first = aggregate_hosts(a)
    sides = [(first, _zero_ns(a, first))]
    second = aggregate_hosts(b)
    sides.append((second, _zero_ns(b, second)))
    spans_ms = [(float(c.end_ns[-1]) - zero) / 1e6 for c, zero in sides if len(c.end_ns)]
    span_ms = max([1.0, *spans_ms])
    steps = max(min(max(len(first.end_ns), len(second.end_ns)), _POINTS), 1)
    x_ms = np.arange(1, steps + 1, dtype=np.float64) * np.float64(span_ms / steps)
    charts = {}
    for name in BY_NAME:
        lines = {
            label: _resample(c, zero, name, x_ms)
            for label, (c, zero) in zip("AB", sides)
            if name in c.totals
        }
        if lines:
            charts[name] = Curves(lines)
    run: RunDocument = {**a.run, "start_ns": 0, "end_ns": int(span_ms * 1e6)}
    return PageData(
        run=run,
        summary=document(a, first),
        hosts=["A", "B"],
        x_ms=x_ms,
        bin_s=0.0,
        charts=charts,
        marks=[],
        missing=np.zeros(0, np.float32),
        changes={},
        named=["A", "B"],
        relative=True,
    )


def _zero_ns(recording: Recording, cluster: Cluster) -> int:
    """Return where time counts from: the begin of a window, else of the first interval."""
    if recording.stretches:
        return recording.stretches[0][0]
    return int(cluster.begin_ns[0]) if len(cluster.begin_ns) else 0


def _resample(cluster: Cluster, zero_ns: int, name: str, x_ms: Float64) -> Float32:
    """Return a figure at the moments ``x_ms``: the value of the interval that covers each.

    Where several intervals end between two moments, the greatest value.
    """
    ends = (cluster.end_ns - zero_ns) / 1e6
    values = cluster.totals[name].values
    at = np.searchsorted(ends, x_ms - 1e-6)
    out = np.full(len(x_ms), np.nan, np.float32)
    previous = 0
    for n, i in enumerate(at.tolist()):
        part = values[min(previous + 1, i) if n else 0 : i + 1]
        if len(part) and np.isfinite(part).any():
            out[n] = np.nanmax(part)
        previous = i
    return out


def _caption(_page: PageData, name: str, unit: str) -> Markup:
    label = BY_NAME[name].label
    return render(
        "caption.html", figure=name, doc="", label=label, unit=unit, per=", all hosts", whole=""
    )


def _figures(found: Comparison) -> list[Markup]:
    """Return a table per group; what is not noise is emphasised."""
    head = ["", "A", "B", "B / A", "may be", "", "A peak", "B peak"]
    of_run = [_row(f) for n, f in found.figures.items() if n in WHOLE_RUN_FIGURES]
    tables = [sections.table(head, of_run, "the runs as a whole")]
    names = [
        n
        for n, f in found.figures.items()
        if n in BY_NAME and shown_in_tables(n, f.a_peak or f.b_peak)
    ]
    tables += [
        sections.table(head, [_row(found.figures[n]) for n in some], f"figures of {group.value}")
        for group, some in by_group(names)
    ]
    return tables


def _row(figure: ComparedFigure) -> list[str]:
    peaks = [quantity_of(figure, v) for v in (figure.a_peak, figure.b_peak)]
    return [figure.label, *_cells(figure), *peaks]


def _cells(figure: ComparedFigure) -> list[str]:
    """Return A, B, the ratio, its interval and what it means, in words and colour."""
    ratio = _UNKNOWN if figure.ratio is None else f"{figure.ratio:.3f}"
    word = figure.word
    shown = piece("<span class='{{ word }}'>{{ word }}</span>", word=word)
    values = [quantity_of(figure, v) for v in (figure.a, figure.b)]
    return [*values, ratio, interval_text(figure), shown if word in _COLOURED else word]


def _phases(found: Comparison) -> Markup | None:
    """Return the table of phases, None without any."""
    rows = []
    for phase in found.phases:
        for n, name in enumerate(PHASE_FIGURES):
            figure = phase.figures.get(name)
            if figure is not None and (figure.a or figure.b):
                title = phase.name if n == 0 else ""
                rows.append([title, figure.label, *_cells(figure)])
    if not rows:
        return None
    head = ["", "", "A", "B", "B / A", "may be", ""]
    return sections.table(head, rows, "phases", text=True)
