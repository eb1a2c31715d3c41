"""The summary of a recording, as a document for JSON and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import line
from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.report.cluster import (
    Aggregation,
    Cluster,
    HostFigures,
    HostValue,
    values_of,
)
from mpi_collector.report.outliers import outliers
from mpi_collector.report.phases import Phases, busiest_device
from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.report.summary_document import (
    DeviceSummary,
    FigureInfo,
    HostSpread,
    HostSummary,
    HostValues,
    LimitValues,
    OutlierValues,
    SummaryDocument,
)
from mpi_collector.report.text import TextWriter, print_verdict, render
from mpi_collector.report.why_text import print_limit, print_not_known
from mpi_collector.store.figures import BY_NAME, FIGURES
from mpi_collector.store.figures.derived import DeviceFigures
from mpi_collector.store.figures.devices import Counted
from mpi_collector.store.figures.fabric import RX_BYTES as FABRIC_RX
from mpi_collector.store.figures.network import RDMA_NOTE
from mpi_collector.store.figures.network import RX_BYTES as NETWORK_RX
from mpi_collector.store.ordinal import ordinal
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import Analysis

END_HOSTS = 64  #: at the end of a run with more hosts the figures are not computed

_RUN = (
    "run",
    "benchmark",
    "collection_method",
    "ended_by",
    "start_ns",
    "end_ns",
    "interval_ns",
    "command",
    "command_exit_code",
    "hosts_requested",
    "hosts_partial",
)
_COVERAGE = 0.999  #: of the hosts' time; a lower one is noted
_LIMIT_SHARE = 0.05  #: of the time at the limit; a lower one is not reported
_LIMIT_SHARE_OF_ONE = 0.5  #: of the time of a single host
_NAMED = 3  #: hosts in a note
_REASONS = 3  #: why nothing is known of what limited the run


def document(
    recording: Recording, cluster: Cluster | None = None, devices: bool = False
) -> SummaryDocument:
    """Return the summary; the arguments are those of ``document_and_why``."""
    return document_and_why(recording, cluster, devices)[0]


def document_and_why(
    recording: Recording, cluster: Cluster | None = None, devices: bool = False
) -> tuple[SummaryDocument, WhyDocument]:
    """Return the summary, and what limited the run in full.

    ``cluster``: the result of ``aggregate_hosts`` if known already. ``devices``: with the figures
    of single devices, which takes longer.
    """
    whole = None if cluster is not None else Aggregation(RunIntervals(recording))
    phases = Phases(recording, whole.intervals if whole else RunIntervals(recording))
    analysis = Analysis(recording)
    for key in recording:
        host = recording.fresh(key)
        if whole is not None:
            whole.add(host, devices)
        phases.add(host)
        analysis.add(host)
    if whole is not None:
        cluster = whole.cluster()
    assert cluster is not None
    why = analysis.document()
    return _document(recording.run, cluster, phases, why), why


def _document(
    run: RunDocument, cluster: Cluster, phases: Phases, why: WhyDocument
) -> SummaryDocument:
    return {
        "format": 1,
        "verdict": run["verdict"],
        "run": {k: run.get(k) for k in _RUN},
        "span_s": cluster.span_s,
        "figures": {f.name: _figure_info(f.name) for f in FIGURES},
        "cluster": {
            name: {
                "mean": _finite(total.mean),
                "peak": _finite(total.peak),
                "coverage": _finite(total.coverage),
            }
            for name, total in cluster.totals.items()
        },
        "spread": spread_over_hosts(cluster.hosts),
        "outliers": _outliers(cluster.hosts),
        "limits": limits(cluster.hosts),
        "hosts": {h.key: _host(h) for h in cluster.hosts},
        "devices": [_device(h.key, d) for h in cluster.hosts for d in h.devices],
        "busiest": busiest_device(cluster),
        "phases": phases.summaries(why),
        "limited_by": why["limited_by"],
        "not_known": why["not_known"],
        "notes": notes(cluster, run),
        "facts": run["facts"],
    }


def _figure_info(name: str) -> FigureInfo:
    f = BY_NAME[name]
    return {"label": f.label, "unit": f.unit, "across": f.across, "doc": f.doc}


def _finite(value: float) -> float | None:
    """Return a number that JSON can hold, or None."""
    return value if math.isfinite(value) else None


def _outliers(hosts: Sequence[HostFigures]) -> list[OutlierValues]:
    return [
        {
            "host": o.host,
            "figure": o.figure,
            "value": o.value,
            "median": o.median,
            "ratio": o.ratio,
        }
        for o in outliers(hosts)
    ]


def _values(figures: Mapping[str, HostValue]) -> dict[str, HostValues]:
    return {
        name: {
            "mean": _finite(value.mean),
            "peak": _finite(value.peak),
            "minimum": _finite(value.minimum),
        }
        for name, value in figures.items()
    }


def _device(host: str, device: DeviceFigures) -> DeviceSummary:
    return {
        "host": host,
        "kind": device.kind,
        "name": device.name,
        "counted": device.counted,
        "why_not": device.why_not or None,
        "figures": _values(values_of(device.series)),
    }


def _host(h: HostFigures) -> HostSummary:
    return {
        "figures": _values(h.figures),
        "cpus": h.cpus,
        "memory_bytes": _finite(h.memory_bytes),
        "counted": {"block": h.block.devices, "net": h.net.devices},
        "left_out": {"block": h.block.left_out, "net": h.net.left_out},
        "counted_by": {"block": _decided_by(h.block), "net": _decided_by(h.net)},
        "notes": h.notes,
    }


def _decided_by(counted: Counted) -> str:
    return "topology" if counted.by_topology else "name"


def spread_over_hosts(hosts: Sequence[HostFigures]) -> dict[str, HostSpread]:
    """Return the lowest, the median and the highest host by its mean, per figure."""
    out: dict[str, HostSpread] = {}
    for f in FIGURES:
        means = [(h.figures[f.name].mean, h.key) for h in hosts if f.name in h.figures]
        known = sorted((mean, key) for mean, key in means if math.isfinite(mean))
        if known:
            out[f.name] = {
                "minimum": known[0][0],
                "median": float(np.median([mean for mean, _ in known])),
                "maximum": known[-1][0],
                "minimum_host": known[0][1],
                "maximum_host": known[-1][1],
                "hosts": len(known),
            }
    return out


def limits(hosts: Sequence[HostFigures]) -> list[LimitValues]:
    """Return the figures that were at their limit for long, by descending share of time."""
    out: list[LimitValues] = []
    for f in FIGURES:
        shares = [h.limits[f.name] for h in hosts if f.name in h.limits]
        if f.limit is None or not shares:
            continue
        if np.mean(shares) >= _LIMIT_SHARE or max(shares) >= _LIMIT_SHARE_OF_ONE:
            out.append(
                {
                    "figure": f.name,
                    "at_least": f.limit,
                    "share": float(np.mean(shares)),
                    "hosts": sum(s >= _LIMIT_SHARE for s in shares),
                }
            )
    return sorted(out, key=lambda x: -x["share"])


def notes(cluster: Cluster, run: RunDocument) -> list[str]:
    """Return what a reader must know to read the figures correctly."""
    missing = [f.label for f in FIGURES if f.name not in cluster.totals and not f.optional]
    out = [f"not recorded: {', '.join(missing)}"] if missing else []
    for name in cluster.totals:
        without = [h.key for h in cluster.hosts if name not in h.figures]
        if without and not BY_NAME[name].optional:
            out.append(f"{BY_NAME[name].label}: not recorded on {_named(without)}")
    for hosts in cluster.shared:
        out.append(
            f"{_named(hosts)} run on one kernel: what it counts for the whole machine "
            "(disks, memory, CPUs) is in the totals once"
        )
    known = [t.coverage for n, t in cluster.totals.items() if not BY_NAME[n].undefined_when_idle]
    if known and min(known) < _COVERAGE:
        share = 100 * (1 - min(known))
        out.append(f"{share:.1f} % of the hosts' time is unknown and missing from the totals")
    if NETWORK_RX.name in cluster.totals and FABRIC_RX.name not in cluster.totals:
        out.append(RDMA_NOTE)
    out.append(_peak_note(run))
    return out


def _named(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return ", ".join(hosts[:_NAMED]) + more


def _peak_note(run: RunDocument) -> str:
    level = max((f.get("level", 0) for f in run["facts"].values()), default=0)
    interval_s = run["interval_ns"] / 1e9 * 2**level
    decimated = f" (the array was full: every {ordinal(2**level)} tick was kept)" if level else ""
    return f"a peak is the highest mean over one interval of {interval_s:g} s{decimated}"


def print_summary(
    recording: Recording, file: TextIO, width: int | None = None, most_hosts: int | None = END_HOSTS
) -> None:
    """Print the summary of a recording as text. RecordingError when it cannot be read.

    ``most_hosts``: of a run with more hosts only the verdict is printed, which takes no time; None:
    always everything.
    """
    out = TextWriter(file, width)
    print_verdict(recording.run, line(recording.run["verdict"]), out)
    if most_hosts is not None and len(recording) > most_hosts:
        out.line(
            f"figures of {len(recording)} hosts: mpi_collector summary {out.name(recording.path)}"
        )
        return
    print_figures(recording, out)


def print_figures(recording: Recording, out: TextWriter) -> None:
    """Print what limited the run, and the figures. RecordingError when it cannot be read."""
    doc = document(recording)
    print_limit(doc["limited_by"], out)
    if doc["limited_by"] is None:
        print_not_known(doc["not_known"], out, _REASONS)
    render(doc, out)
