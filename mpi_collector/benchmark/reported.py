"""Phases and rates from the files of benchmark programs, which COMMAND names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mpi_collector.benchmark.dlio import find_statistics
from mpi_collector.benchmark.keeper.values import FoundMarks, RecordedCommand
from mpi_collector.benchmark.readers import read_report
from mpi_collector.benchmark.readers.base import ReportedPhase
from mpi_collector.formats.run_document import Mark
from mpi_collector.node.spool.marks import TEXT_MAX

_WORD_MAX = 4096
_TOLERANCE_NS = 10**9  #: times of day of programs have whole seconds
_PHASES_MAX = 1000


def find_all(results_dir: Path, command: RecordedCommand) -> FoundMarks:
    """Return the marks of DLIO's statistics, and those of files that COMMAND names."""
    dlio, reports = find_statistics(results_dir, command), find_reports(command)
    return FoundMarks(
        dlio.marks + reports.marks, dlio.problems + reports.problems, dlio.notes + reports.notes
    )


def find_reports(command: RecordedCommand) -> FoundMarks:
    """Return the marks of files that COMMAND names and that changed after the run began."""
    marks: list[Mark] = []
    problems: list[str] = []
    notes: list[str] = []
    for path in _named(command.words):
        try:
            if path.stat().st_mtime_ns < command.begin_ns:
                continue
            phases = read_report(path)[:_PHASES_MAX]
        except OSError:  # not ours to read, gone
            continue
        inside, outside = split_by_time(phases, command.begin_ns, command.end_ns)
        for phase in inside:
            marks += marks_of_phase(phase)
            if phase.rates:
                notes.append(f"{path.name}: {phase.name} reports {rates_text(phase.rates)}")
        if outside:
            problems.append(
                f"{path}: {len(outside)} of {len(phases)} phases lie outside of the run"
            )
    return FoundMarks(marks, problems, notes)


def _named(words: Sequence[str]) -> Iterator[Path]:
    """Yield the files that words name, also as ``--option=FILE``."""
    seen: set[str] = set()
    for word in words:
        for part in (word, word.partition("=")[2]):
            if part and len(part) < _WORD_MAX and part not in seen and os.path.isfile(part):
                seen.add(part)
                yield Path(part)


def split_by_time(
    phases: Iterable[ReportedPhase], begin_ns: int, end_ns: int
) -> tuple[list[ReportedPhase], list[ReportedPhase]]:
    """Return the phases in a stretch of time, and those that are not."""
    inside: list[ReportedPhase] = []
    outside: list[ReportedPhase] = []
    for phase in phases:
        fits = begin_ns - _TOLERANCE_NS <= phase.begin_ns <= phase.end_ns <= end_ns + _TOLERANCE_NS
        (inside if fits else outside).append(phase)
    return inside, outside


def marks_of_phase(phase: ReportedPhase) -> list[Mark]:
    """Return begin and end of a phase as marks."""
    text = "".join(c if c.isprintable() else " " for c in phase.name).strip()[:TEXT_MAX] or "phase"
    begin: Mark = {"text": text, "edge": "begin", "utc_ns": phase.begin_ns, "host": None}
    if phase.read_bytes is not None:
        begin["read_bytes"] = phase.read_bytes
    return [begin, {"text": text, "edge": "end", "utc_ns": phase.end_ns, "host": None}]


def rates_text(rates: dict[str, float]) -> str:
    """Return ``read 1.2 GB/s, file creation 2944 /s``."""
    from mpi_collector.report.quantity import number, quantity
    from mpi_collector.store.figures import BY_NAME

    return ", ".join(
        f"{BY_NAME[name].label} {quantity(rate, BY_NAME[name].unit)}"
        if name in BY_NAME
        else f"{name} {number(rate)} /s"
        for name, rate in rates.items()
    )
