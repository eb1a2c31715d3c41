"""Numbers with fitting units, durations, and lists of names in short."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple


class UnitScale(NamedTuple):
    """A unit to show, and the divisor that turns a stored value into it."""

    unit: str
    divisor: float


#: unit as stored -> the units to show, the largest first
_SCALES: dict[str, tuple[UnitScale, ...]] = {
    "bytes/s": (
        UnitScale("TB/s", 1e12),
        UnitScale("GB/s", 1e9),
        UnitScale("MB/s", 1e6),
        UnitScale("kB/s", 1e3),
        UnitScale("B/s", 1.0),
    ),
    "bytes": (
        UnitScale("TiB", 2.0**40),
        UnitScale("GiB", 2.0**30),
        UnitScale("MiB", 2.0**20),
        UnitScale("KiB", 2.0**10),
        UnitScale("B", 1.0),
    ),
    "1/s": (UnitScale("M", 1e6), UnitScale("k", 1e3), UnitScale("", 1.0)),
    "ms": (UnitScale("s", 1e3), UnitScale("ms", 1.0), UnitScale("µs", 1e-3)),
    "requests": (UnitScale("", 1.0),),
    "%": (UnitScale("%", 1.0),),
    "W": (UnitScale("MW", 1e6), UnitScale("kW", 1e3), UnitScale("W", 1.0)),
    "C": (UnitScale("°C", 1.0),),
    "cores": (UnitScale("cores", 1.0),),
    "threads": (UnitScale("", 1.0),),
    "connections": (UnitScale("", 1.0),),
    "bytes/J": (
        UnitScale("GB/J", 1e9),
        UnitScale("MB/J", 1e6),
        UnitScale("kB/J", 1e3),
        UnitScale("B/J", 1.0),
    ),
}
_UNITS_OF_ZERO = ("MB/s", "MiB", "ms")
NOTHING = "-"  #: stands for what was not recorded


def unit_scales() -> dict[str, list[list[str | float]]]:
    """Return {unit as stored: [unit to show, divisor], the largest first}."""
    return {unit: [list(step) for step in steps] for unit, steps in _SCALES.items()}


def scale(unit: str, largest: float) -> UnitScale:
    """Return the unit in which ``largest`` has one to three digits before the point."""
    steps = _SCALES[unit]
    if not math.isfinite(largest) or largest <= 0:
        return next((step for step in steps if step.unit in _UNITS_OF_ZERO), steps[-1])
    return next((step for step in steps if largest >= step.divisor), steps[-1])


def axis_scale(unit: str, largest: float) -> UnitScale:
    """Return ``scale`` for an axis, whose unit must say what is counted."""
    shown, divisor = scale(unit, largest)
    names = {"1/s": f"{shown or '1'}/s"}
    names.update(dict.fromkeys(("requests", "threads", "connections"), unit))
    return UnitScale(names.get(unit, shown), divisor)


def number(value: float | None, divisor: float = 1.0) -> str:
    """Return three significant digits, at most three decimals, no exponent; a dash for unknown."""
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
    """Return a number with the unit that fits it; a dash for unknown."""
    if value is None or not math.isfinite(value):
        return NOTHING
    shown, divisor = scale(unit, abs(value))
    return f"{number(value, divisor)} {shown}".rstrip()


def duration(seconds: float) -> str:
    """Return ``95.2 s`` or ``2 h 05 min 10 s``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m:02d} min {s:02d} s" if hours else f"{m} min {s:02d} s"


def ranges(names: Iterable[str]) -> str:
    """Return names in short, in their order: ``loop0-7, sda, nvme0n1-7, node001-016``.

    Names that differ only in the number at their end are put together.
    """
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
    """Return ``head`` with each run of consecutive numbers, padded with zeros to ``width``."""
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    texts = []
    for r in runs:
        if len(r) > 2:
            texts.append(f"{head}{r[0]:0{width}d}-{r[-1]:0{width}d}")
        else:
            texts += [f"{head}{n:0{width}d}" for n in r]
    return ", ".join(texts)
