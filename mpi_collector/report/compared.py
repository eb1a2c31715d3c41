"""What a comparison consists of, and the JSON object it becomes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from mpi_collector.report.comparable import ComparedRun, Doubt
from mpi_collector.report.noise import MARGIN, Interval
from mpi_collector.store.figures import BY_NAME

DURATION = "duration_s"
BYTES = "bytes"
#: figures of a run or phase as a whole -> label and unit
WHOLE_RUN_FIGURES = {DURATION: ("duration", "s"), BYTES: ("read and written", "bytes")}
_MORE_IS_BETTER = re.compile(r"(|nfs_|lustre_)(read_|write_)?(bytes_per_s|iops)|bytes_per_joule")
_LESS_IS_BETTER = re.compile(rf"(|nfs_)\w+_(latency|rtt|execute|queue)_ms|{DURATION}")


@dataclass(frozen=True)
class ComparedFigure:
    """A figure of all hosts in A and in B: the mean of the runs. None: not known.

    ``interval``: of the ratio B / A; None where there is none.
    """

    name: str
    a: float | None
    b: float | None
    a_peak: float | None = None
    b_peak: float | None = None
    interval: Interval | None = None

    @property
    def label(self) -> str:
        return _label_unit(self.name)[0]

    @property
    def unit(self) -> str:
        return _label_unit(self.name)[1]

    @property
    def ratio(self) -> float | None:
        """B / A; None where either is unknown or ``a`` is 0."""
        if self.interval is not None and math.isfinite(self.interval.ratio) and self.a:
            return self.interval.ratio
        return _plain_ratio(self.a, self.b)

    @property
    def word(self) -> str:
        """Return better, worse, higher, lower, same, undecided; "" where there is no ratio.

        same: a change of MARGIN would show. undecided: it might not.
        """
        if self.interval is None:
            return ""
        low, high = self.interval.low, self.interval.high
        if low <= 1 <= high:
            return "same" if low > 0 and math.log(high / low) <= 2 * MARGIN else "undecided"
        more = low > 1
        if _MORE_IS_BETTER.fullmatch(self.name):
            return "better" if more else "worse"
        if _LESS_IS_BETTER.fullmatch(self.name):
            return "worse" if more else "better"
        return "higher" if more else "lower"

    def runs_needed(self, margin: float = MARGIN) -> int | None:
        """Return how many more runs of each side tell a change by ``margin`` from none."""
        return None if self.interval is None else self.interval.runs_needed(margin)

    def to_json(self) -> dict[str, Any]:
        interval = self.interval
        ends = (interval.low, interval.high) if interval else (None, None)
        low, high = (x if x is not None and math.isfinite(x) else None for x in ends)
        word = self.word
        return {
            "a": self.a,
            "b": self.b,
            "ratio": self.ratio,
            "low": low,
            "high": high,
            "word": word or None,
            "runs_needed": self.runs_needed() if word == "undecided" else None,
            "a_peak": self.a_peak,
            "b_peak": self.b_peak,
        }


def _label_unit(name: str) -> tuple[str, str]:
    if name in WHOLE_RUN_FIGURES:
        return WHOLE_RUN_FIGURES[name]
    return BY_NAME[name].label, BY_NAME[name].unit


@dataclass(frozen=True)
class ComparedPhase:
    """A phase that A or B has. ``figures``: the first are those of WHOLE_RUN_FIGURES."""

    name: str
    figures: dict[str, ComparedFigure]


@dataclass(frozen=True)
class Comparison:
    """Runs of A against runs of B. ``differences``: of the machines, A -> B, as lines."""

    runs: list[ComparedRun]
    figures: dict[str, ComparedFigure]
    phases: list[ComparedPhase] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object; lists have an entry per run, A first."""
        summaries = [run.summary for run in self.runs]
        sides = {side: [r for r in self.runs if r.side[0] == side] for side in "AB"}
        return {
            "a": sides["A"][0].path,
            "b": sides["B"][0].path,
            "runs": {side.lower(): [r.path for r in runs] for side, runs in sides.items()},
            "verdicts": [s["verdict"]["verdict"] for s in summaries],
            "verdict_remarks": [s["verdict_remarks"] for s in summaries],
            "commands": [s["run"].get("command") for s in summaries],
            "exit_codes": [s["run"].get("command_exit_code") for s in summaries],
            "hosts": [len(s["hosts"]) for s in summaries],
            "span_s": [s["span_s"] for s in summaries],
            "not_comparable": [{"kind": d.kind, "text": d.text} for d in self.doubts],
            "figures": {name: f.to_json() for name, f in self.figures.items()},
            "phases": [
                {"name": p.name, "figures": {n: f.to_json() for n, f in p.figures.items()}}
                for p in self.phases
            ],
            "differences": self.differences,
        }


def _plain_ratio(a: float | None, b: float | None) -> float | None:
    """Return b / a, or None where either is unknown or ``a`` is 0."""
    return b / a if a and b is not None and math.isfinite(b / a) else None
