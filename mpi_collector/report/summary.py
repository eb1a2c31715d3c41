"""The summary of a recording, as a document for JSON and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import absence, by_host
from mpi_collector.formats.verdict_line import line
from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.node.table.counted import Counted
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.report.cluster import (
    Aggregation,
    Cluster,
    HostFigures,
    HostValue,
    values_of,
)
from mpi_collector.report.machine import Facts, machine_facts
from mpi_collector.report.notes import drop_shares, is_short, notes
from mpi_collector.report.outliers import outliers
from mpi_collector.report.phases import Phases, busiest_cpu, busiest_device
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
from mpi_collector.report.text import TextWriter, print_remarks, print_verdict, render
from mpi_collector.report.why_text import print_limit, print_not_known
from mpi_collector.store.figures import BY_NAME, FIGURES
from mpi_collector.store.figures.derived import DeviceFigures
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
_LIMIT_SHARE = 0.05  #: of the time at the limit; a lower one is not reported
_LIMIT_SHARE_OF_ONE = 0.5  #: of the time of a single host
_OTHERS = 8  #: devices in no total that came or went and have a line
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
    machines: dict[str, Facts] = {}
    for key in recording:
        host = recording.fresh(key)
        machines[key] = machine_facts(host.meta.get("snapshot"))
        if whole is not None:
            whole.add(host, devices)
        phases.add(host)
        analysis.add(host)
        host.release()
    if whole is not None:
        cluster = whole.cluster()
    assert cluster is not None
    why = analysis.document()
    return _document(recording.run, cluster, machines, phases, why), why


def _document(
    run: RunDocument,
    cluster: Cluster,
    machines: Mapping[str, Facts],
    phases: Phases,
    why: WhyDocument,
) -> SummaryDocument:
    if is_short(run, cluster.span_s):
        drop_shares(cluster)
    return {
        "format": 1,
        "verdict": run["verdict"],
        "verdict_remarks": verdict_remarks(run, cluster),
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
        "hosts": {h.key: _host(h, machines[h.key], run["facts"][h.key]) for h in cluster.hosts},
        "devices": [
            _device(h.key, d, run["facts"][h.key]) for h in cluster.hosts for d in h.devices
        ],
        "busiest": busiest_device(cluster),
        "busiest_cpu": busiest_cpu(cluster),
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


def verdict_remarks(run: RunDocument, cluster: Cluster) -> list[str]:
    """Return what goes with the verdict: the remarks of the run, and what is unknown of it."""
    unknown = [(h.key, text) for h in cluster.hosts for text in h.remarks]
    return [*run.get("verdict_remarks", []), *by_host(unknown)]


def _device(host: str, device: DeviceFigures, facts: HostFacts) -> DeviceSummary:
    absent = [
        a["absent"]
        for a in facts.get("absent_devices", [])
        if (a["source"], a["device"]) == (device.source, device.name)
    ]
    return {
        "host": host,
        "kind": device.kind,
        "name": device.name,
        "counted": device.counted,
        "why_not": device.why_not or None,
        "absent": absent[0] if absent else [],
        "figures": _values(values_of(device.series)),
    }


def _host(h: HostFigures, machine: Facts, facts: HostFacts) -> HostSummary:
    return {
        "figures": _values(h.figures),
        "cpus": h.cpus,
        "memory_bytes": _finite(h.memory_bytes),
        "machine": machine,
        "counted": {"block": h.block.devices, "net": h.net.devices},
        "left_out": {"block": h.block.left_out, "net": h.net.left_out},
        "counted_by": {"block": _decided_by(h.block), "net": _decided_by(h.net)},
        "notes": [*_absences(facts), *h.notes],
    }


def _absences(facts: HostFacts) -> list[str]:
    """Return a line for each device that came or went; of those in no total, the first ones."""
    absent = facts.get("absent_devices", [])
    others = [d for d in absent if not d["counted"]]
    out = [absence(d) for d in absent if d["counted"]] + [absence(d) for d in others[:_OTHERS]]
    if len(others) > _OTHERS:
        out.append(f"{len(others) - _OTHERS} more devices that no total counts came or went")
    return out


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


def print_summary(
    recording: Recording,
    file: TextIO,
    width: int | None = None,
    most_hosts: int | None = END_HOSTS,
    devices: bool = False,
) -> None:
    """Print the summary of a recording as text. RecordingError when it cannot be read.

    ``most_hosts``: of a run with more hosts only the verdict is printed, which takes no time; None:
    always everything. ``devices``: with a table of every kind of device.
    """
    out = TextWriter(file, width)
    print_verdict(recording.run, line(recording.run["verdict"]), out)
    if most_hosts is not None and len(recording) > most_hosts:
        print_remarks(recording.run.get("verdict_remarks", []), out)
        out.line(
            f"figures of {len(recording)} hosts: mpi_collector summary {out.name(recording.path)}"
        )
        return
    print_figures(recording, out, devices)


def print_figures(recording: Recording, out: TextWriter, devices: bool = False) -> None:
    """Print remarks, what limited the run, and figures. RecordingError when it cannot be read."""
    doc = document(recording, devices=devices)
    print_remarks(doc["verdict_remarks"], out)
    print_limit(doc["limited_by"], out)
    if doc["limited_by"] is None:
        print_not_known(doc["not_known"], out, _REASONS)
    render(doc, out)
