"""A comparison as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpi_collector.report.comparable import ComparedRun
from mpi_collector.report.compared import (
    BYTES,
    DURATION,
    ComparedFigure,
    ComparedPhase,
    Comparison,
)
from mpi_collector.report.noise import MARGIN, MOST_RUNS
from mpi_collector.report.quantity import NOTHING, duration, quantity
from mpi_collector.store.figures.disk import READ_BYTES, WRITE_BYTES
from mpi_collector.terminal_text import cut_in_the_middle

PHASE_FIGURES = (DURATION, BYTES, READ_BYTES.name, WRITE_BYTES.name)
_REMARKS = 4  #: with a verdict
_GAP = "  "  #: between columns


def text_lines(found: Comparison) -> list[str]:
    """Return the comparison as text."""
    out = [line for run in found.runs for line in _run_lines(run)]
    out += [f"not comparable: {doubt.text}" for doubt in found.doubts]
    out.append("")
    head = ["", "A", "B", "B / A", "may be", "", "A peak", "B peak"]
    out += aligned([head, *(_row(f) for f in found.figures.values())])
    if found.phases:
        out += ["", "phases:"]
        head = ["", "", "A", "B", "B / A", "may be", ""]
        out += aligned([head, *(row for p in found.phases for row in _phase_rows(p))], left=2)
    if notes := _notes(found):
        out += ["", *notes]
    if found.differences:
        out += ["", "differences, A -> B:", *(f"  {d}" for d in found.differences)]
    return out


def _run_lines(run: ComparedRun) -> Iterator[str]:
    about = run.summary["run"]
    code = about.get("command_exit_code")
    command = ""
    if about.get("command"):
        words = cut_in_the_middle(" ".join(about["command"]))
        command = f", {words} (exit code {'not known' if code is None else code})"
    yield (
        f"{run.side}  {run.path}: {run.summary['verdict']['verdict']}, "
        f"{len(run.summary['hosts'])} hosts, {run.summary['span_s']:.1f} s{command}"
    )
    remarks = run.summary["verdict_remarks"]
    yield from (f"   remark: {r}" for r in remarks[:_REMARKS])
    if len(remarks) > _REMARKS:
        yield f"   and {len(remarks) - _REMARKS} more remarks (summary lists them)"


def _row(figure: ComparedFigure) -> list[str]:
    peaks = [quantity_of(figure, value) for value in (figure.a_peak, figure.b_peak)]
    return [figure.label, *_cells(figure), *peaks]


def _cells(figure: ComparedFigure) -> list[str]:
    """Return A, B, the ratio, its interval and what it means."""
    times = f"{figure.ratio:.3f}" if figure.ratio is not None else NOTHING
    return [
        quantity_of(figure, figure.a),
        quantity_of(figure, figure.b),
        times,
        interval_text(figure),
        figure.word,
    ]


def quantity_of(figure: ComparedFigure, value: float | None) -> str:
    """Return a value of a figure with its unit; a dash for unknown."""
    if figure.unit == "s":
        return NOTHING if value is None else duration(value)
    return quantity(value, figure.unit)


def interval_text(figure: ComparedFigure) -> str:
    """Return what the ratio may be, ``0.93 to 1.08``; "" where nothing is known of it."""
    found = figure.interval
    if found is None or found.method == "exact":
        return ""
    return f"{_ratio(found.low)} to {_ratio(found.high)}"


def _ratio(value: float) -> str:
    return f"{value:.3g}" if 0.001 <= value < 1000 else "any" if value > 1 else "0"


def _phase_rows(phase: ComparedPhase) -> list[list[str]]:
    shown = [phase.figures[name] for name in PHASE_FIGURES if name in phase.figures]
    return [
        [phase.name if n == 0 else "", figure.label, *_cells(figure)]
        for n, figure in enumerate(f for f in shown if f.a or f.b)
    ]


def _notes(found: Comparison) -> list[str]:
    """Return how the intervals came about, and how many runs are missing."""
    out = []
    methods = {f.interval.method for f in found.figures.values() if f.interval is not None}
    if "ticks" in methods:
        out.append(
            "one run does not tell how much runs differ: 5 % is assumed for it; more runs: "
            "compare A1 A2 A3 -- B1 B2 B3"
        )
    elif "alternating" in methods:
        out.append("A and B took turns: a drift of the machine over the runs is taken out")
    needed = [f.runs_needed() for f in found.figures.values() if f.word == "undecided"]
    known = sorted(n for n in needed if n is not None)
    if known:
        most = known[len(known) // 2]
        count = f"{most}" if most < MOST_RUNS else f"more than {MOST_RUNS}"
        out.append(
            f"undecided: needs {count} more run{'s' if most != 1 else ''} of each to tell "
            f"{100 * MARGIN:.0f} % from noise (the median of these figures)"
        )
    return out


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return rows as lines with columns of equal width; the first ``left`` start at the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [
        _GAP.join(
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
