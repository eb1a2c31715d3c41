"""Rules about a comparison: ``read_bytes_per_s < 0.95``, ``checkpoint 3: duration_s > 1.1``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpi_collector.report.compared import WHOLE_RUN_FIGURES, ComparedFigure, Comparison
from mpi_collector.report.noise import MARGIN, MOST_RUNS
from mpi_collector.store.figures import BY_NAME

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RULE = re.compile(r"\s*(?:(.+):\s*)?([a-z0-9_]+)\s*(<=|>=|<|>)\s*([0-9.eE+-]+)\s*\Z")


@dataclass(frozen=True)
class Rule:
    """``[PHASE:] FIGURE OP NUMBER``: holds when the ratio B / A of the figure does.

    ``phase``: "" for the whole run, or what is compared of it.
    """

    text: str
    phase: str
    figure: str
    holds: Callable[[float, float], bool]
    bound: float


@dataclass(frozen=True)
class RuleResults:
    """Rules that hold, and rules that cannot be decided, a line each."""

    failed: list[str]
    undecided: list[str]


def parse_rule(text: str) -> Rule:
    """Return the rule. ValueError says what is wrong with ``text``."""
    match = _RULE.match(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not FIGURE < NUMBER (or >, <=, >=), as in 'read_bytes_per_s < 0.95' or "
            "'checkpoint 3: duration_s > 1.1'"
        )
    phase, name, op, bound = match.groups()
    if name not in BY_NAME and name not in WHOLE_RUN_FIGURES:
        known = ", ".join([*WHOLE_RUN_FIGURES, *BY_NAME])
        raise ValueError(f"there is no figure {name!r}; there are {known}")
    try:
        number = float(bound)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{bound} in {text!r} is not a number to compare with")
    return Rule(text.strip(), (phase or "").strip(), name, _OPERATORS[op], number)


def judge(found: Comparison, rules: Sequence[Rule], ignore_noise: bool = False) -> RuleResults:
    """Return which rules hold and which cannot be decided. The others do not hold.

    A rule holds when it does so for every ratio in the interval, and does not when for none.
    ``ignore_noise``: only the ratio itself counts.
    """
    out = RuleResults([], [])
    for rule in rules:
        figures = _figures(found, rule.phase)
        figure = None if figures is None else figures.get(rule.figure)
        if figures is None:
            out.undecided.append(f"{rule.text}: cannot be decided, there is no phase {rule.phase}")
        elif figure is None or (ratio := _ratio(figure)) is None:
            out.undecided.append(_unknown(rule, figure))
        else:
            _judge(rule, figure, ratio, ignore_noise, out)
    return out


def _judge(
    rule: Rule, figure: ComparedFigure, ratio: float, ignore_noise: bool, out: RuleResults
) -> None:
    low = high = ratio
    if figure.interval is not None and not ignore_noise:
        low, high = figure.interval.low, figure.interval.high
    at_ends = {rule.holds(value, rule.bound) for value in (low, high)}
    between = f"{low:.3f} to {high:.3f}"
    if at_ends == {True}:
        noise = f" ({between})" if low < high else ""
        out.failed.append(f"{rule.text}: it is {ratio:.4g}{noise}")
    elif len(at_ends) == 2:
        margin = abs(math.log(rule.bound)) if rule.bound > 0 else 0.0
        out.undecided.append(
            f"{rule.text}: undecided, it is {ratio:.4g} and may be {between}; "
            f"needs {_runs(figure.runs_needed(margin or MARGIN))} of each to decide"
        )


def _figures(found: Comparison, phase: str) -> dict[str, ComparedFigure] | None:
    if not phase:
        return found.figures
    return next((p.figures for p in found.phases if p.name == phase), None)


def _unknown(rule: Rule, figure: ComparedFigure | None) -> str:
    means = (figure.a, figure.b) if figure else (None, None)
    unknown = [side for side, mean in zip("AB", means) if mean is None]
    what = f"not known of {' and '.join(unknown)}" if unknown else "0 in some of the runs only"
    return f"{rule.text}: cannot be decided, {rule.figure} is {what}"


def _ratio(figure: ComparedFigure) -> float | None:
    """Return B / A, None when unknown. 0 / 0 is 1, and anything else / 0 is infinite."""
    return None if figure.interval is None else figure.interval.ratio


def _runs(needed: int | None) -> str:
    if needed is None:
        return "more runs"
    if needed >= MOST_RUNS:
        return f"more than {MOST_RUNS} more runs"
    return f"{needed} more run{'s' if needed > 1 else ''}"
