"""What a run says of itself when it is over: its document, from which every file takes its facts, and lines of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector._version import __version__
from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.dlio import marks_of_run, places
from mpi_collector.formats.verdict import verdict
from mpi_collector.node.compat import wall_ns
from mpi_collector.node.host.secrets import hide_in_command
from mpi_collector.node.host.snapshot.system import environment
from mpi_collector.node.spool import marks
from mpi_collector.node.status import STATUS_NAMES
from mpi_collector.transport.base import HostState

if TYPE_CHECKING:
    from mpi_collector.benchmark.collect import Collection


def run_document(of: Collection, why: str, command: Command | None) -> dict[str, Any]:
    """The run as ``run`` in the npz has it."""
    transport, options = of.transport, of.plan.sampling
    hosts = {h.key: h for h in transport.hosts}
    argv = getattr(of, "command_argv", None)
    doc = {
        "format": 1, "program": f"mpi_collector {__version__}", "run": of.run, "stem": of.files.stem,
        "benchmark": of.plan.benchmark, "collection_method": transport.method, "ended_by": why,
        "hosts": [k for k, h in hosts.items() if h.collected or h.from_replica],
        "hosts_requested": _in_order(of, [*hosts, *of.unusable]),
        "hosts_partial": {**{k: h.error for k, h in hosts.items() if h.error}, **of.unusable},
        "missing_ranks": transport.missing_ranks,
        "t0_ns": transport.t0_ns, "start_ns": transport.epoch_ns, "end_ns": _utc_ns(of, of.ended_ns),
        "interval_ns": options.interval_ns, "capacity": transport.capacity, "options": options.to_dict(),
        "warnings": {k: h.ready.get("warnings") for k, h in hosts.items() if h.ready.get("warnings")},
        "clock_bound_ns": {k: h.clock_bound_ns for k, h in hosts.items()},
        "facts": {k: h.facts for k, h in hosts.items() if h.collected or h.from_replica},
        "marks": _marks(of, hosts),
        "command": hide_in_command(argv) if argv is not None else None,
        "command_exit_code": command.exit_code() if command else None,
        "command_ns": [_utc_ns(of, t) for t in of.command_ns] if of.command_ns else None,
        "environment": environment(os.environ), "written_ns": wall_ns(),
    }  # fmt: skip
    doc["verdict"] = verdict(doc)
    return doc


def _in_order(of: Collection, names: list[str]) -> list[str]:
    """As they were asked for, where they were named."""
    asked = {host.name: n for n, host in enumerate(getattr(of.plan, "hosts", ()))}
    return sorted(names, key=lambda name: asked.get(name, len(asked)))


def _utc_ns(of: Collection, mono: int) -> int:
    """On the common time line."""
    return of.transport.epoch_ns + mono - of.started_ns


def _marks(of: Collection, hosts: dict[str, HostState]) -> list[dict[str, Any]]:
    """All marks of the run in order: of its hosts, and of those that only see the results directory (wall clock)."""
    out = [dict(m, host=k) for k, h in hosts.items() for m in h.facts.get("marks", [])]
    for mark in marks.read(str(of.files.marks)):
        out.append(
            {"text": mark["text"], "edge": mark["edge"], "utc_ns": mark["wall_ns"], "host": None}
        )
    out += marks_of_run(places(of.files.directory, of.plan.command), of.transport.epoch_ns)
    return sorted(out, key=lambda m: m["utc_ns"])


def suite_facts(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the suite's time series says beside its samples."""
    from mpi_collector.formats.suite_samples import utc_text

    return {
        "collection_interval_seconds": run["interval_ns"] / 1e9,
        "start_time": utc_text(run["start_ns"]),
        "end_time": utc_text(run["end_ns"]),
        "num_samples": sum(f["samples"] for f in run["facts"].values()),
        "collection_method": run["collection_method"],
        "hosts_requested": run["hosts_requested"],
        "hosts_collected": [k for k, f in run["facts"].items() if f["samples"]],
    }


def described(host: HostState) -> str:
    """A host that is ready, in a line."""
    ready = host.ready
    bound = (
        f"{host.clock_bound_ns / 1e3:.1f} us" if host.clock_bound_ns is not None else "not known"
    )
    absent = (
        ", ".join(
            f"{name} {STATUS_NAMES[status]}" for name, status in ready.get("absent", {}).items()
        )
        or "nothing"
    )
    return (f"{host.key}: {ready.get('columns')} columns, {ready.get('rows')} rows in {ready.get('spool') or 'plain memory'}, "
            f"clock bound {bound}, without {absent}")  # fmt: skip


def listed(problems: Mapping[str, str | None]) -> str:
    """All problems in a line, host by host."""
    return "; ".join(f"{host}: {why}" for host, why in problems.items())
