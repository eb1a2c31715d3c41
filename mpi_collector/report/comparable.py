"""Whether runs can be compared at all: what makes every difference between them worthless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mpi_collector.report.summary_document import SummaryDocument

#: what ``--allow`` takes -> what it allows
ALLOWED = {
    "partial": "recordings whose verdict is not complete",
    "failed": "commands that failed",
    "length": "runs of very different length and amount of work",
    "hosts": "other hosts",
    "noise": "rules that only the ratio itself decides, whatever noise there may be",
}
_LENGTHS = 2.0  #: ratio of the durations, and of the bytes, from which on runs are not alike


class ComparedRun(NamedTuple):
    """A run that is compared, and the side it is on."""

    side: str  #: A or B, with a number where there are several
    path: str
    summary: SummaryDocument
    bytes: float | None  #: read and written


class Doubt(NamedTuple):
    """A reason not to compare. ``kind``: a key of ALLOWED."""

    kind: str
    text: str


def doubts(runs: Sequence[ComparedRun]) -> list[Doubt]:
    """Return why the runs cannot be compared, held against the first one."""
    out = [doubt for run in runs for doubt in _of_one(run)]
    return out + [doubt for run in runs[1:] for doubt in _of_two(runs[0], run)]


def _of_one(run: ComparedRun) -> Iterator[Doubt]:
    verdict = run.summary["verdict"]
    if verdict["verdict"] != "complete":
        reasons = verdict["reasons"]
        why = f": {reasons[0]}" if reasons else ""
        more = f" and {len(reasons) - 1} more reasons" if len(reasons) > 1 else ""
        yield Doubt("partial", f"{run.side} is {verdict['verdict']}{why}{more}")
    about = run.summary["run"]
    if about.get("command") and (code := about.get("command_exit_code")) != 0:
        ended = "has no known exit code" if code is None else f"failed with exit code {code}"
        yield Doubt("failed", f"the command of {run.side} {ended}")


def _of_two(first: ComparedRun, other: ComparedRun) -> Iterator[Doubt]:
    a, b = first.summary["span_s"], other.summary["span_s"]
    if not _alike(a, b) and not _same_work(first, other):
        yield Doubt("length", f"{first.side} lasted {a:.1f} s and {other.side} {b:.1f} s")
    here, there = first.summary["hosts"], other.summary["hosts"]
    if set(here) != set(there):
        only = (
            [*(h for h in here if h not in there)][:1],
            [*(h for h in there if h not in here)][:1],
        )
        names = [f"{hosts[0]} is in {side} only" for hosts, side in zip(only, "AB") if hosts]
        yield Doubt("hosts", f"{other.side} has other hosts than {first.side}: {', '.join(names)}")


def _alike(a: float, b: float) -> bool:
    return a == b or (min(a, b) > 0 and max(a, b) / min(a, b) < _LENGTHS)


def _same_work(first: ComparedRun, other: ComparedRun) -> bool:
    """Return whether as much was read and written: a slower run takes longer for it."""
    a, b = first.bytes, other.bytes
    return bool(a) and bool(b) and a is not None and b is not None and _alike(a, b)
