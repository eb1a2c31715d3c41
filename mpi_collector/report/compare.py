"""Two recordings side by side: figures, differences of the machines, and rules about both."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from mpi_collector.formats.host_changes import CONSTANT_PARTS, changes
from mpi_collector.report.quantity import NOTHING, quantity
from mpi_collector.report.summary import document
from mpi_collector.report.summary_document import SummaryDocument
from mpi_collector.store.figures import BY_NAME
from mpi_collector.store.recording import Recording

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RULE = re.compile(r"\s*([a-z_]+)\s*(<=|>=|<|>)\s*([0-9.eE+-]+)\s*\Z")
#: the parts of a snapshot that say which machine it is and how it is set; the others always move
_SETTINGS = (*CONSTANT_PARTS, "nics", "infiniband", "drives", "mounts")
_NAMED = 3  #: hosts in a line
_REMARKS = 4  #: with a verdict


class FigureComparison(TypedDict):
    """A figure of all hosts in A and in B. ``ratio``: B / A of the means. None: not known."""

    a: float | None
    b: float | None
    ratio: float | None
    a_peak: float | None
    b_peak: float | None


class Comparison(TypedDict):
    """Two recordings. ``a``, ``b``: their paths; lists have an entry for A and one for B.

    ``verdict_remarks``: those of each. ``differences``: what differs in the
    machines, A -> B, as lines.
    """

    a: str
    b: str
    verdicts: list[str]
    verdict_remarks: list[list[str]]
    hosts: list[int]
    span_s: list[float]
    figures: dict[str, FigureComparison]
    differences: list[str]


@dataclass(frozen=True)
class Rule:
    """``FIGURE OP NUMBER``: holds when B / A of the figure's mean does."""

    text: str
    figure: str
    holds: Callable[[float, float], bool]
    bound: float


def parse_rule(text: str) -> Rule:
    """Return the rule. ValueError says what is wrong with ``text``."""
    match = _RULE.match(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not FIGURE < NUMBER (or >, <=, >=), as in 'read_bytes_per_s < 0.95'"
        )
    name, op, bound = match.groups()
    if name not in BY_NAME:
        raise ValueError(f"there is no figure {name!r}; there are {', '.join(BY_NAME)}")
    if math.isinf(float(bound)):
        raise ValueError(f"{bound} in {text!r} is not a number to compare with")
    return Rule(text.strip(), name, _OPERATORS[op], float(bound))


def align(recording: Recording, mark: str) -> Recording:
    """Return the part that the phase ``mark`` covers, or all that comes after the moment ``mark``.

    KeyError names the marks there are.
    """
    found = [p for p in recording.marks if p.name == mark]
    if found and all(p.moment for p in found):
        return recording.between(found[0].begin_ns, int(recording.run["end_ns"]))
    return recording.during(mark)


def compare(a: Recording, b: Recording) -> Comparison:
    """Compare two recordings. RecordingError when one cannot be read."""
    first = document(a)
    second = document(b)
    figures = {
        name: _figure(name, first, second)
        for name in BY_NAME
        if name in first["cluster"] or name in second["cluster"]
    }
    return {
        "a": str(a.path),
        "b": str(b.path),
        "verdicts": [d["verdict"]["verdict"] for d in (first, second)],
        "verdict_remarks": [d["verdict_remarks"] for d in (first, second)],
        "hosts": [len(a), len(b)],
        "span_s": [first["span_s"], second["span_s"]],
        "figures": figures,
        "differences": differences(a, b),
    }


def _figure(name: str, first: SummaryDocument, second: SummaryDocument) -> FigureComparison:
    left = first["cluster"].get(name)
    right = second["cluster"].get(name)
    a = left["mean"] if left else None
    b = right["mean"] if right else None
    return {
        "a": a,
        "b": b,
        "ratio": ratio(a, b),
        "a_peak": left["peak"] if left else None,
        "b_peak": right["peak"] if right else None,
    }


def ratio(a: float | None, b: float | None) -> float | None:
    """Return b / a, or None where either is unknown or ``a`` is 0."""
    return b / a if a and b is not None and math.isfinite(b / a) else None


def differences(a: Recording, b: Recording) -> list[str]:
    """Return what differs between the machines, one line per difference.

    Hosts of the same name are compared, or else the first host of each recording. A line names the
    hosts unless all have the difference.
    """
    pairs = [(k, k) for k in a if k in b] or list(zip(a, b))[:1]
    found: dict[str, list[str]] = {}
    for left, right in pairs:
        one = a[left].meta.get("snapshot")
        two = b[right].meta.get("snapshot")
        if one and two:
            for text in changes(_settings(one), _settings(two)):
                found.setdefault(text, []).append(left)
    return [text + ("" if len(h) == len(pairs) else _where(h)) for text, h in found.items()]


def _settings(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {k: snapshot.get(k) for k in _SETTINGS}


def _where(hosts: Sequence[str]) -> str:
    return f" ({', '.join(hosts[:_NAMED])}{' ...' if len(hosts) > _NAMED else ''})"


def text_lines(found: Comparison, width: int = 16) -> list[str]:
    """Return the comparison as text. ``width``: of the column of labels."""
    out = []
    for n, (side, path) in enumerate((("A", found["a"]), ("B", found["b"]))):
        out.append(
            f"{side}  {path}: {found['verdicts'][n]}, {found['hosts'][n]} hosts, "
            f"{found['span_s'][n]:.1f} s"
        )
        remarks = found["verdict_remarks"][n]
        out += [f"   remark: {r}" for r in remarks[:_REMARKS]]
        if len(remarks) > _REMARKS:
            out.append(f"   and {len(remarks) - _REMARKS} more remarks (summary lists them)")
    out.append("")
    out.append(f"{'':{width}}{'A':>14}{'B':>14}{'B / A':>9}{'A peak':>14}{'B peak':>14}")
    for name, f in found["figures"].items():
        about = BY_NAME[name]
        a, b, a_peak, b_peak = (
            quantity(value, about.unit) for value in (f["a"], f["b"], f["a_peak"], f["b_peak"])
        )
        times = f"{f['ratio']:.3f}" if f["ratio"] is not None else NOTHING
        out.append(f"{about.label:{width}}{a:>14}{b:>14}{times:>9}{a_peak:>14}{b_peak:>14}")
    if found["differences"]:
        out += ["", "differences, A -> B:", *(f"  {d}" for d in found["differences"])]
    return out


def failed_rules(found: Comparison, rules: Sequence[Rule]) -> list[str]:
    """Return the rules that hold, each with its ratio."""
    out = []
    for rule in rules:
        value = _ratio_for(found, rule)
        if value is not None and rule.holds(value, rule.bound):
            out.append(f"{rule.text}: it is {value:.4g}")
    return out


def undecidable_rules(found: Comparison, rules: Sequence[Rule]) -> list[str]:
    """Return the rules about a figure that A or B does not know, and which of them."""
    out = []
    for rule in rules:
        if _ratio_for(found, rule) is None:
            a, b = _means(found, rule)
            unknown = [side for side, mean in (("A", a), ("B", b)) if mean is None]
            out.append(
                f"{rule.text}: cannot be decided, {rule.figure} is not known of "
                f"{' and '.join(unknown)}"
            )
    return out


def _means(found: Comparison, rule: Rule) -> tuple[float | None, float | None]:
    figure = found["figures"].get(rule.figure)
    return (figure["a"], figure["b"]) if figure else (None, None)


def _ratio_for(found: Comparison, rule: Rule) -> float | None:
    """Return B / A for a rule, None when unknown. 0 / 0 is 1, and anything else / 0 is infinite."""
    a, b = _means(found, rule)
    if a is None or b is None:
        return None
    if not a:
        return math.inf if b else 1.0
    return b / a
