"""Two recordings side by side: their figures, and what differs in the machines."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpi_collector.formats.host_changes import changes
from mpi_collector.report.quantity import quantity
from mpi_collector.report.summary import document
from mpi_collector.store.figures.derive import BY_NAME
from mpi_collector.store.recording import Recording

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt
}  # fmt: skip
_RULE = re.compile(r"\s*([a-z_]+)\s*(<=|>=|<|>)\s*([0-9.eE+-]+)\s*\Z")
#: of what a snapshot holds, what says which machine and setting it is; the rest moves by itself
_SETTINGS = ("version", "os_release", "transparent_hugepage", "sysctls", "chassis", "kernel_cmdline", "cgroup_limits", "limits",
             "nics", "infiniband", "drives", "mounts")  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """``figure OP number``: holds when B / A of the figure's mean does. Of a figure that is not known it says nothing."""

    text: str
    figure: str
    holds: Callable[[float, float], bool]
    bound: float


def parse_rule(text: str) -> Rule:
    """ValueError says what is wrong with it."""
    match = _RULE.match(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not FIGURE < NUMBER (or >, <=, >=), as in 'read_bytes_per_s < 0.95'"
        )
    name, op, bound = match.groups()
    if name not in BY_NAME:
        raise ValueError(f"there is no figure {name!r}; there are {', '.join(BY_NAME)}")
    if math.isinf(float(bound)):
        raise ValueError(f"{bound} in {text!r} is no number to compare with")
    return Rule(text.strip(), name, _OPERATORS[op], float(bound))


def align(recording: Recording, mark: str) -> Recording:
    """The part of it that the phase ``mark`` covers; of a moment, all that comes after. KeyError names the marks there are."""
    found = [p for p in recording.marks if p.name == mark]
    if found and all(p.moment for p in found):
        return recording.between(found[0].begin_ns, int(recording.run["end_ns"]))
    return recording.during(mark)


def compare(a: Recording, b: Recording) -> dict[str, Any]:
    """``figures``: {name: {"a", "b", "ratio", "a_peak", "b_peak"}} of cluster means; ``differences``: lines; ``verdicts``."""
    first, second = document(a), document(b)
    figures = {}
    for name in BY_NAME:
        left, right = (d["cluster"].get(name, {}) for d in (first, second))
        if left or right:
            figures[name] = {"a": left.get("mean"), "b": right.get("mean"), "ratio": ratio(left.get("mean"), right.get("mean")),
                             "a_peak": left.get("peak"), "b_peak": right.get("peak")}  # fmt: skip
    return {
        "a": str(a.path),
        "b": str(b.path),
        "verdicts": [d["verdict"]["verdict"] for d in (first, second)],
        "hosts": [len(a), len(b)],
        "span_s": [first["span_s"], second["span_s"]],
        "figures": figures,
        "differences": differences(a, b),
    }


def ratio(a: float | None, b: float | None) -> float | None:
    """b / a, None where that says nothing."""
    return b / a if a and b is not None and math.isfinite(b / a) else None


def differences(a: Recording, b: Recording) -> list[str]:
    """What differs between the hosts of both, of the same name or else the first ones; those that all share, once."""
    pairs = [(k, k) for k in a if k in b] or list(zip(a, b))[:1]
    found: dict[str, list[str]] = {}
    for left, right in pairs:
        one, two = (host.meta.get("snapshot") for host in (a[left], b[right]))
        if isinstance(one, dict) and isinstance(two, dict):
            for text in changes(
                {k: one.get(k) for k in _SETTINGS}, {k: two.get(k) for k in _SETTINGS}
            ):
                found.setdefault(text, []).append(left)
    out = []
    for text, hosts in found.items():
        where = (
            ""
            if len(hosts) == len(pairs)
            else f" ({', '.join(hosts[:3])}{' ...' if len(hosts) > 3 else ''})"
        )
        out.append(text + where)
    return out


def text_lines(found: dict[str, Any], width: int = 16) -> list[str]:
    """The comparison as text."""
    out = [f"A  {found['a']}: {found['verdicts'][0]}, {found['hosts'][0]} hosts, {found['span_s'][0]:.1f} s",
           f"B  {found['b']}: {found['verdicts'][1]}, {found['hosts'][1]} hosts, {found['span_s'][1]:.1f} s", "",
           f"{'':16}{'A':>14}{'B':>14}{'B / A':>9}{'A peak':>14}{'B peak':>14}"]  # fmt: skip
    for name, f in found["figures"].items():
        about = BY_NAME[name]
        cells = [
            quantity(f[k], about.unit) if f[k] is not None else "-"
            for k in ("a", "b", "a_peak", "b_peak")
        ]
        times = f"{f['ratio']:.3f}" if f["ratio"] is not None else "-"
        out.append(
            f"{about.label:{width}}{cells[0]:>14}{cells[1]:>14}{times:>9}{cells[2]:>14}{cells[3]:>14}"
        )
    if found["differences"]:
        out += ["", "what differs, A -> B:", *(f"  {d}" for d in found["differences"])]
    return out


def failed_rules(found: dict[str, Any], rules: list[Rule]) -> list[str]:
    """Those of ``rules`` that hold, with their numbers. Nothing of both is a ratio of 1, something of nothing infinite."""
    out = []
    for rule in rules:
        value = _decided(found, rule)
        if value is not None and rule.holds(value, rule.bound):
            out.append(f"{rule.text}: it is {value:.4g}")
    return out


def undecidable_rules(found: dict[str, Any], rules: list[Rule]) -> list[str]:
    """Those of ``rules`` about a figure that A or B does not know, and why."""
    out = []
    for rule in rules:
        if _decided(found, rule) is None:
            figure = found["figures"].get(rule.figure, {})
            without = " and ".join(side.upper() for side in "ab" if figure.get(side) is None)
            out.append(f"{rule.text}: cannot be decided, {rule.figure} is not known of {without}")
    return out


def _decided(found: dict[str, Any], rule: Rule) -> float | None:
    figure = found["figures"].get(rule.figure, {})
    a, b = figure.get("a"), figure.get("b")
    if a is None or b is None:
        return None
    if not a:
        return math.inf if b else 1.0
    return float(b / a)
