"""Two recordings on the same axes: a line for each, from their starts or from the same phase on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_collector.report.cluster import Cluster, fold
from mpi_collector.report.compare import compare
from mpi_collector.report.page import parts
from mpi_collector.report.page.series import Chart, Float32, Story
from mpi_collector.report.page.skeleton import Builder, document_html, legend_bar, script_about
from mpi_collector.report.quantity import quantity
from mpi_collector.report.summary import document
from mpi_collector.store.derived import BY_NAME
from mpi_collector.store.recording import Float64, Recording

_POINTS = 1500


def versus_page(a: Recording, b: Recording) -> str:
    """The page of a comparison as HTML. RecordingError when one cannot be read."""
    found = compare(a, b)
    story = versus_story(a, b)
    builder = Builder(story)
    builder.caption = _caption
    charts = builder.charts()
    body = f"""<section id="figures"><h2>Figures</h2>{_figures(found)}</section>
<section id="charts" tabindex="-1"><h2>Over time since the start</h2>{legend_bar(story)}{charts}
<noscript><p>The charts need scripts; the tables do not.</p></noscript></section>
<section id="changed"><h2>What differs, A → B</h2>{_differences(found["differences"])}</section>"""
    names = [f"{n}: {parts.esc(found[k])}, {v}, {h} hosts" for n, k, v, h in zip("AB", "ab", found["verdicts"], found["hosts"])]
    head = f"<p>{'<br>'.join(names)}</p>"
    return document_html("A and B", head, body, script_about(story, builder, None), builder.models())


def versus_story(a: Recording, b: Recording) -> Story:
    """Cluster-wide values of both on one grid of milliseconds since their first row."""
    first, second = fold(a), fold(b)
    span_ms = max(_span_ms(first), _span_ms(second), 1.0)
    steps = max(min(max(len(first.end_ns), len(second.end_ns)), _POINTS), 1)
    x_ms = np.arange(1, steps + 1, dtype=np.float64) * np.float64(span_ms / steps)
    charts = {}
    for name in BY_NAME:
        lines = {label: _on(c, name, x_ms) for label, c in (("A", first), ("B", second)) if name in c.totals}
        if lines:
            charts[name] = Chart(lines)
    run = {**a.run, "start_ns": 0, "end_ns": int(span_ms * 1e6)}
    empty = np.zeros(0, np.float32)
    return Story(run, document(a, first), ["A", "B"], x_ms, 0.0, charts, [], empty, {}, ["A", "B"])


def _span_ms(cluster: Cluster) -> float:
    return float(cluster.end_ns[-1] - cluster.begin_ns[0]) / 1e6 if len(cluster.end_ns) else 0.0


def _on(cluster: Cluster, name: str, x_ms: Float64) -> Float32:
    """A figure at the moments ``x_ms``: the value of the interval that covers each; of several in a step the greatest."""
    ends = (cluster.end_ns - cluster.begin_ns[0]) / 1e6
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


def _caption(story: Story, name: str, unit: str) -> str:
    del story
    return f"<figcaption><b>{parts.esc(BY_NAME[name].label)}</b> {parts.esc(unit)}, all hosts</figcaption>"


def _figures(found: dict[str, Any]) -> str:
    rows = []
    for name, f in found["figures"].items():
        about = BY_NAME[name]
        cells = [quantity(f[k], about.unit) if f[k] is not None else "–" for k in ("a", "b", "a_peak", "b_peak")]
        ratio = f"{f['ratio']:.3f}" if f["ratio"] is not None else "–"
        rows.append([parts.esc(about.label), *map(parts.esc, cells[:2]), ratio, *map(parts.esc, cells[2:])])
    return parts.table(["", "A", "B", "B / A", "A peak", "B peak"], rows, "figures")


def _differences(texts: list[str]) -> str:
    if not texts:
        return "<p class='quiet'>Nothing that is recorded of the hosts and their settings.</p>"
    return "<ul>" + "".join(f"<li>{parts.esc(t)}</li>" for t in texts) + "</ul>"
