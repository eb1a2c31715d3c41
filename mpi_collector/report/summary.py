"""The figures of a recording as one document that JSON can hold; text and page are made of it.

``document(recording)`` gives, beside ``verdict`` and ``facts`` of the run:

* ``figures``: {name: {"label", "unit", "across", "doc"}}
* ``cluster``: {name: {"mean", "peak", "coverage"}}, ``span_s``
* ``hosts``: {key: {"figures": {name: {"mean", "peak", "minimum"}}, "cpus", "memory_bytes", "counted": {...}, ...}}
* ``spread``: {name: {"minimum", "median", "maximum", "minimum_host", "maximum_host"}} of the hosts' means
* ``outliers``: [{"host", "figure", "value", "median", "ratio"}]
* ``limits``: [{"figure", "at_least", "share", "hosts"}]: for what share of the time something was at its limit
* ``notes``: what a reader must know

What was not recorded is absent; what was not known is null.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import line
from mpi_collector.report.cluster import LIMITS, Cluster, HostFigures, aggregate_hosts
from mpi_collector.report.outliers import outliers
from mpi_collector.report.text import TextWriter, print_verdict, render
from mpi_collector.store.figures.derive import FIGURES, OPTIONAL, RDMA_NOTE
from mpi_collector.store.recording import Recording

END_HOSTS = 64  #: at the end of a run with more hosts nobody waits for the figures

_RUN = ("run", "benchmark", "collection_method", "ended_by", "start_ns", "end_ns", "interval_ns", "command",
        "command_exit_code", "hosts_requested", "hosts_partial")  # fmt: skip
_COVERAGE = 0.999
_SHARE = 0.05  #: of the time at the limit, below which nothing is said
_UNKNOWN_WITHOUT_REQUESTS = tuple(
    f.name
    for f in FIGURES
    if f.name.endswith(("_latency_ms", "_rtt_ms", "_execute_ms", "_retransmit_percent"))
)


def document(recording: Recording, cluster: Cluster | None = None) -> dict[str, Any]:
    """The figures of a recording. ``cluster``: what ``aggregate_hosts`` gave, when somebody has it already."""
    cluster = cluster or aggregate_hosts(recording)
    run = recording.run
    return {
        "format": 1,
        "verdict": run["verdict"],
        "run": {k: run.get(k) for k in _RUN},
        "span_s": cluster.span_s,
        "figures": {f.name: {k: v for k, v in asdict(f).items() if k != "name"} for f in FIGURES},
        "cluster": {
            n: _plain(mean=t.mean, peak=t.peak, coverage=t.coverage)
            for n, t in cluster.totals.items()
        },
        "spread": spread_over_hosts(cluster.hosts),
        "outliers": [asdict(o) for o in outliers(cluster.hosts)],
        "limits": limits(cluster.hosts),
        "hosts": {h.key: _host(h) for h in cluster.hosts},
        "notes": notes(cluster, run),
        "facts": run["facts"],
    }


def _plain(**values: float) -> dict[str, float | None]:
    return {k: (v if math.isfinite(v) else None) for k, v in values.items()}


def _host(h: HostFigures) -> dict[str, Any]:
    figures = {
        n: _plain(mean=mean, peak=peak, minimum=least)
        for n, (mean, peak, least) in h.figures.items()
    }
    return {
        "figures": figures,
        "cpus": h.cpus,
        **_plain(memory_bytes=h.memory_bytes),
        "counted": {"block": h.block.devices, "net": h.net.devices},
        "left_out": {"block": h.block.left_out, "net": h.net.left_out},
        "counted_by": {
            "block": "topology" if h.block.by_topology else "name",
            "net": "topology" if h.net.by_topology else "name",
        },
        "notes": h.notes,
    }


def spread_over_hosts(hosts: Sequence[HostFigures]) -> dict[str, dict[str, Any]]:
    """Least, median and greatest host by its mean, per figure."""
    out = {}
    for f in FIGURES:
        rows = [(h.figures[f.name][0], h.key) for h in hosts if f.name in h.figures]
        rows = sorted((v, k) for v, k in rows if math.isfinite(v))
        if rows:
            median = float(np.median([v for v, _ in rows]))
            out[f.name] = {"minimum": rows[0][0], "median": median, "maximum": rows[-1][0],
                           "minimum_host": rows[0][1], "maximum_host": rows[-1][1], "hosts": len(rows)}  # fmt: skip
    return out


def limits(hosts: Sequence[HostFigures]) -> list[dict[str, Any]]:
    """What was at its limit for a good part of the time, by share of the hosts' time."""
    out = []
    for name, at_least in LIMITS.items():
        shares = [h.limits[name] for h in hosts if name in h.limits]
        if shares and (np.mean(shares) >= _SHARE or max(shares) >= 0.5):
            touched = sum(s >= _SHARE for s in shares)
            out.append(
                {
                    "figure": name,
                    "at_least": at_least,
                    "share": float(np.mean(shares)),
                    "hosts": touched,
                }
            )
    return sorted(out, key=lambda x: -x["share"])


def notes(cluster: Cluster, run: RunDocument) -> list[str]:
    """What a reader must know to read the figures right."""
    out = []
    missing = [f.label for f in FIGURES if f.name not in cluster.totals and f.name not in OPTIONAL]
    if missing:
        out.append(f"not recorded: {', '.join(missing)}")
    for f in FIGURES:
        without = [h.key for h in cluster.hosts if f.name not in h.figures]
        if f.name in cluster.totals and without:
            more = f" and {len(without) - 3} more" if len(without) > 3 else ""
            out.append(f"{f.label}: not recorded on {', '.join(without[:3])}{more}")
    known = [t.coverage for n, t in cluster.totals.items() if n not in _UNKNOWN_WITHOUT_REQUESTS]
    if known and min(known) < _COVERAGE:
        out.append(
            f"{100 * (1 - min(known)):.1f} % of the hosts' time is not known and is missing from the totals"
        )
    fabric = any("fabric_rx_bytes_per_s" in h.figures for h in cluster.hosts)
    if not fabric and any("net_rx_bytes_per_s" in h.figures for h in cluster.hosts):
        out.append(RDMA_NOTE)
    level = max((f.get("level", 0) for f in run["facts"].values()), default=0)
    interval_s = run["interval_ns"] / 1e9 * 2**level
    thinned = f" (the array was full: every {2**level}th tick was kept)" if level else ""
    out.append(f"a peak is the highest mean over one interval of {interval_s:g} s{thinned}")
    return out


def print_summary(
    recording: Recording, file: TextIO, width: int | None = None, most_hosts: int | None = END_HOSTS
) -> None:
    """The summary of a recording as text. ``most_hosts``: of a run with more of them only the verdict is printed, which
    takes no time; None: always everything. RecordingError when it cannot be read."""
    out = TextWriter(file, width)
    print_verdict(recording.run, line(recording.run["verdict"]), out)
    if most_hosts is not None and len(recording) > most_hosts:
        out.line(
            f"figures of {len(recording)} hosts: mpi_collector summary {out.name(recording.path)}"
        )
        return
    render(document(recording), out)
