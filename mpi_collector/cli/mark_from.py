"""``mark --from FILE``: the phases that a benchmark program reports, in a finished recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.result import Mistake, standard_output
from mpi_collector.terminal_text import safe_text

if TYPE_CHECKING:
    from mpi_collector.benchmark.readers.base import ReportedPhase
    from mpi_collector.formats.later_marks import LaterMark
    from mpi_collector.formats.run_document import Mark

_SAME_NS = 10**9  #: the run's time line and a wall clock may differ by less


def mark_from(report: Path, recording_path: Path) -> int:
    """Add the phases of a file to a recording, and print its rates beside those of the hosts.

    Phases that the recording has already are not added again. Mistake for a file that no reader
    knows, or of another time.
    """
    from mpi_collector.benchmark.readers import read_report
    from mpi_collector.benchmark.reported import marks_of_phase, split_by_time
    from mpi_collector.output.later_marks import add_later_marks
    from mpi_collector.store.load import load

    phases = read_report(report)
    if not phases:
        raise Mistake(
            f"{report}: no phases found; known are fio's JSON, elbencho's --livecsv, the text of "
            "IOR and mdtest, and DLIO's summary.json"
        )
    with load(recording_path) as recording:
        path, start_ns, end_ns = recording.path, recording.run["start_ns"], recording.run["end_ns"]
        there = list(recording.run.get("marks", []))
    inside, outside = split_by_time(phases, start_ns, end_ns)
    if outside:
        print_message(f"{report}: {len(outside)} of {len(phases)} phases lie outside of {path}")
    if not inside:
        raise Mistake(f"{report}: nothing of it lies in {path}; its times are those of another run")
    marks = [
        _later(m, start_ns, end_ns)
        for phase in inside
        for m in marks_of_phase(phase)
        if not any(_same(m, other) for other in there)
    ]
    if marks:
        print_message(f"marked in {add_later_marks(path, marks)}")
    _print_rates(path, inside)
    return OK


def _later(mark: Mark, start_ns: int, end_ns: int) -> LaterMark:
    from mpi_collector.formats.later_marks import later_mark

    at_ns = min(max(mark["utc_ns"], start_ns), end_ns)
    return later_mark(mark["text"], mark["edge"], at_ns, mark.get("read_bytes"))


def _same(mark: Mark, other: Mark) -> bool:
    """Return whether it is the same mark, set at the end of the run from the same file."""
    alike = (mark["text"], mark["edge"]) == (other["text"], other["edge"])
    return alike and abs(mark["utc_ns"] - other["utc_ns"]) < _SAME_NS


def _print_rates(path: Path, phases: Sequence[ReportedPhase]) -> None:
    """Print a line per phase and rate: what the program reports, and what the hosts counted."""
    from mpi_collector.report.cluster import aggregate_hosts
    from mpi_collector.report.compare_text import aligned
    from mpi_collector.report.quantity import NOTHING, duration, number, quantity
    from mpi_collector.store.figures import BY_NAME
    from mpi_collector.store.load import load

    rows = [["phase", "duration", "", "reported", "hosts"]]
    with load(path) as recording:
        for phase in phases:
            totals = aggregate_hosts(recording.between(phase.begin_ns, phase.end_ns)).totals
            seconds = duration((phase.end_ns - phase.begin_ns) * 1e-9)
            for n, (name, rate) in enumerate(phase.rates.items() or [("", None)]):
                figure = BY_NAME.get(name)
                head = [phase.name, seconds] if n == 0 else ["", ""]
                if figure is None:
                    shown = NOTHING if rate is None else f"{number(rate)} /s"
                    rows.append([*head, name, shown, NOTHING])
                else:
                    counted = (
                        quantity(totals[name].mean, figure.unit) if name in totals else NOTHING
                    )
                    rows.append([*head, figure.label, quantity(rate, figure.unit), counted])
    with standard_output() as out:
        print("\n".join(safe_text(line) for line in aligned(rows)), file=out)
