"""Numbers and names for people: units that fit, ranges of names, nothing that a terminal would obey."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

#: unit as stored -> (what to show, divisor), the largest first
_SCALES: dict[str, tuple[tuple[str, float], ...]] = {
    "bytes/s": (("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3), ("B/s", 1.0)),
    "bytes": (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0)),
    "1/s": (("M", 1e6), ("k", 1e3), ("", 1.0)),
    "ms": (("s", 1e3), ("ms", 1.0), ("µs", 1e-3)),
    "requests": (("", 1.0),),
    "%": (("%", 1.0),),
}
_OF_ZERO = ("MB/s", "MiB", "ms")
NOTHING = "-"  #: what was not recorded


def scale(unit: str, largest: float) -> tuple[str, float]:
    """(unit to show, divisor) in which ``largest`` reads well."""
    steps = _SCALES[unit]
    if not math.isfinite(largest) or largest <= 0:
        return next((step for step in steps if step[0] in _OF_ZERO), steps[-1])
    return next(((u, by) for u, by in steps if largest >= by), steps[-1])


def axis_scale(unit: str, largest: float) -> tuple[str, float]:
    """``scale`` for an axis, where no quantity stands whose name would say what is counted."""
    shown, by = scale(unit, largest)
    return {"1/s": f"{shown or '1'}/s", "requests": unit}.get(unit, shown), by


def number(value: float | None, divisor: float = 1.0) -> str:
    """Three significant digits, no exponent, three decimals at most; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return NOTHING
    x = value / divisor
    if x == 0:
        return "0"
    if abs(x) < 0.0005:
        return "<0.001" if x > 0 else ">-0.001"
    digits = max(0, 2 - math.floor(math.log10(abs(x)))) if abs(x) < 1000 else 0
    return f"{x:.{min(digits, 3)}f}"


def quantity(value: float | None, unit: str) -> str:
    """A number with the unit that fits it."""
    if value is None or not math.isfinite(value):
        return NOTHING
    shown, by = scale(unit, abs(value))
    return f"{number(value, by)} {shown}".rstrip()


def duration(seconds: float) -> str:
    """``95.2 s`` or ``2 h 05 min 10 s``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m:02d} min {s:02d} s" if hours else f"{m} min {s:02d} s"


def ranges(names: Iterable[str]) -> str:
    """``loop0-7, sda, nvme0n1-7n1, node001-016`` style: names that differ in one last number only, together."""
    found = [re.fullmatch(r"(.*?)(\d{1,9})", name) or name for name in names]
    padded = {
        (m[1], len(m[2]))
        for m in found
        if not isinstance(m, str) and len(m[2]) > 1 and m[2][0] == "0"
    }
    groups: dict[tuple[str, int], list[int]] = {}
    out: dict[str | tuple[str, int], None] = {}
    for m in found:
        if isinstance(m, str):
            out.setdefault(m)
            continue
        key = (m[1], len(m[2]) if (m[1], len(m[2])) in padded else 0)
        groups.setdefault(key, []).append(int(m[2]))
        out.setdefault(key)
    return ", ".join(name if isinstance(name, str) else _runs(*name, groups[name]) for name in out)


def _runs(head: str, width: int, numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    texts = []
    for r in runs:
        ends = [f"{n:0{width}d}" for n in (r if len(r) < 3 else (r[0], r[-1]))]
        texts += [f"{head}{ends[0]}-{ends[1]}"] if len(r) > 2 else [head + e for e in ends]
    return ", ".join(texts)
