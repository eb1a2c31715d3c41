"""Two recordings on the same axes: a line for each, from their starts or from the same phase on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.cluster import Cluster, aggregate_hosts
from mpi_collector.report.compare import compare
from mpi_collector.report.page import sections
from mpi_collector.report.page.charts import COLOURS
from mpi_collector.report.page.data import Chart, Float32, PageData
from mpi_collector.report.page.document import Builder, document_html, legend_bar, script_about
from mpi_collector.report.quantity import duration, quantity
from mpi_collector.report.summary import document
from mpi_collector.store.figures.derive import BY_NAME
from mpi_collector.store.recording import Float64, Recording
from mpi_collector.store.window import Window

_POINTS = 1500
_ALIKE = 0.05  #: a ratio that is further from 1 than this stands out


def comparison_page(a: Recording, b: Recording, since: str = "the start") -> str:
    """The page of a comparison as HTML. ``since``: what both are aligned at. RecordingError when one cannot be read."""
    found = compare(a, b)
    page = comparison_data(a, b)
    builder = Builder(page)
    builder.caption = _caption
    charts = builder.charts()
    at = sections.esc(since)
    body = f"""<section id="figures"><h2>Figures</h2>{_figures(found)}</section>
<section id="charts" tabindex="-1"><h2>Over time since {at}</h2>{legend_bar(page)}{charts}
<noscript><p>The charts need scripts; the tables do not.</p></noscript></section>
<section id="changed"><h2>What differs, A → B</h2>{_differences(found["differences"])}</section>"""
    about = script_about(page, builder, None)
    names = [str(r.run.get("run", "")) for r in (a, b)]
    title = f"{sections.esc(names[0])} and {sections.esc(names[1])}"
    return document_html(title, _head(found, names), body, about, builder.models())


def _head(found: dict[str, Any], names: list[str]) -> str:
    rows = []
    for n, (key, run) in enumerate(zip("ab", names)):
        label = f"<i class='swatch' style='background:{COLOURS[n]}'></i>{key.upper()}"
        facts = [
            run,
            found["verdicts"][n],
            found["hosts"][n],
            duration(found["span_s"][n]),
            found[key],
        ]
        rows.append([label, *map(sections.esc, facts)])
    return sections.table(
        ["", "run", "verdict", "hosts", "compared", "file"], rows, "what is compared", text=True
    )


def comparison_data(a: Recording, b: Recording) -> PageData:
    """Cluster-wide values of both on one grid of milliseconds since what they are aligned at."""
    sides = [(c, _zero_ns(r, c)) for r, c in ((a, aggregate_hosts(a)), (b, aggregate_hosts(b)))]
    (first, _), (second, _) = sides
    span_ms = max(1.0, *((float(c.end_ns[-1]) - zero) / 1e6 for c, zero in sides if len(c.end_ns)))
    steps = max(min(max(len(first.end_ns), len(second.end_ns)), _POINTS), 1)
    x_ms = np.arange(1, steps + 1, dtype=np.float64) * np.float64(span_ms / steps)
    charts = {}
    for name in BY_NAME:
        lines = {
            label: _on(c, zero, name, x_ms)
            for label, (c, zero) in zip("AB", sides)
            if name in c.totals
        }
        if lines:
            charts[name] = Chart(lines)
    run: RunDocument = {**a.run, "start_ns": 0, "end_ns": int(span_ms * 1e6)}
    empty = np.zeros(0, np.float32)
    return PageData(
        run,
        document(a, first),
        ["A", "B"],
        x_ms,
        0.0,
        charts,
        [],
        empty,
        {},
        ["A", "B"],
        relative=True,
    )


def _zero_ns(recording: Recording, cluster: Cluster) -> int:
    """The mark where there is one: the row before it, where rates begin, may be an interval earlier."""
    if isinstance(recording, Window):
        return recording.begin_ns
    return int(cluster.begin_ns[0]) if len(cluster.begin_ns) else 0


def _on(cluster: Cluster, zero_ns: int, name: str, x_ms: Float64) -> Float32:
    """A figure at the moments ``x_ms``: the value of the interval that covers each; of several in a step the greatest."""
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


def _caption(page: PageData, name: str, unit: str) -> str:
    del page
    return f"<figcaption><b>{sections.esc(BY_NAME[name].label)}</b> {sections.esc(unit)}, all hosts</figcaption>"


def _figures(found: dict[str, Any]) -> str:
    """Storage and the rest beside each other; a ratio that is not near 1 stands out."""
    tables = []
    for storage, what in ((True, "storage"), (False, "the hosts")):
        half = {n: f for n, f in found["figures"].items() if (n in sections.STORAGE) == storage}
        rows = [
            _row(n, f)
            for n, f in half.items()
            if n != "cpu_steal_percent" or f["a_peak"] or f["b_peak"]
        ]
        if rows:
            tables.append(
                sections.table(
                    ["", "A", "B", "B / A", "A peak", "B peak"], rows, f"figures of {what}"
                )
            )
    return f"<div class='tables'>{''.join(tables)}</div>"


def _row(name: str, f: dict[str, Any]) -> list[str]:
    about = BY_NAME[name]
    cells = [
        sections.esc(quantity(f[k], about.unit) if f[k] is not None else "–")
        for k in ("a", "b", "a_peak", "b_peak")
    ]
    ratio = "–" if f["ratio"] is None else f"{f['ratio']:.3f}"
    if f["ratio"] is not None and abs(f["ratio"] - 1) > _ALIKE:
        ratio = f"<span class='changed'>{ratio}</span>"
    return [sections.esc(about.label), *cells[:2], ratio, *cells[2:]]


def _differences(texts: list[str]) -> str:
    if not texts:
        return "<p class='quiet'>Nothing that is recorded of the hosts and their settings.</p>"
    return "<ul>" + "".join(f"<li>{sections.esc(t)}</li>" for t in texts) + "</ul>"
