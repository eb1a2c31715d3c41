"""Gather the values of the run document when a run is over."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mpi_collector.benchmark.run_state import RunState
from mpi_collector.formats.run_document import Mark, RunDocument, marks_of, run_document
from mpi_collector.node.compat import wall_ns
from mpi_collector.node.host.secrets import hide_in_command
from mpi_collector.node.host.snapshot.environment import environment
from mpi_collector.transport.base import HostState


def document_of(run: RunState, ended_by: str) -> RunDocument:
    """Return the run document of a run. ``ended_by``: why it ended, as the document has it."""
    transport, plan = run.transport, run.plan
    hosts = {h.key: h for h in transport.hosts}
    recorded = {k: h for k, h in hosts.items() if h.collected or h.from_replica}
    failed = {k: h.error for k, h in hosts.items() if h.error}
    warnings = {k: h.ready.get("warnings") or [] for k, h in hosts.items()}
    command = run.command
    return run_document(
        run=run.run,
        stem=run.files.stem,
        benchmark=plan.benchmark,
        collection_method=transport.method,
        ended_by=ended_by,
        hosts=recorded,
        hosts_requested=_as_asked(run, [*hosts, *run.unusable]),
        hosts_partial={**failed, **run.unusable},
        missing_ranks=transport.missing_ranks,
        t0_ns=transport.t0_ns,
        start_ns=transport.epoch_ns,
        end_ns=_utc_ns(run, run.ended_ns),
        interval_ns=plan.sampling.interval_ns,
        capacity=transport.capacity,
        options=plan.sampling.to_dict(),
        warnings={k: texts for k, texts in warnings.items() if texts},
        clock_bound_ns={k: h.clock_bound_ns for k, h in hosts.items()},
        facts={k: h.facts for k, h in recorded.items()},
        marks=_marks(run, hosts),
        outside_marks_lost=run.outside_marks_lost,
        command=hide_in_command(command.argv) if command else None,
        command_exit_code=command.exit_code() if command else None,
        command_ns=_command_ns(run),
        environment=environment(os.environ),
        written_ns=wall_ns(),
        launch_side_cpu_ns=run.launch_side_cpu_ns,
    )


def _as_asked(run: RunState, names: list[str]) -> list[str]:
    """Return ``names`` in the order of --hosts; names that are not in it come last."""
    asked = {name: n for n, name in enumerate(run.plan.host_names)}
    return sorted(names, key=lambda name: asked.get(name, len(asked)))


def _command_ns(run: RunState) -> list[int] | None:
    """Return [begin, end] of COMMAND, UTC ns; None without one or if it outlived the recording."""
    command = run.command
    if command is None or command.ended_ns is None:
        return None
    return [_utc_ns(run, command.began_ns), _utc_ns(run, command.ended_ns)]


def _utc_ns(run: RunState, mono_ns: int) -> int:
    """Return a moment of this process's monotonic clock as UTC ns on the recording's time line."""
    return run.transport.epoch_ns + mono_ns - run.started_ns


def _marks(run: RunState, hosts: Mapping[str, HostState]) -> list[Mark]:
    """Return all marks of a run: of its hosts, and those that the keeper has found."""
    return marks_of({k: h.facts for k, h in hosts.items()}) + run.outside_marks
