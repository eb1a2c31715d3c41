"""Notes of what was left out of the figures of a host, and why."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from mpi_collector.store.growth import Int64, Unknown

_CPU = re.compile(r"cpu\d+(\.\w+)?")  #: a CPU, or a field of it
_NAMED = 4  #: CPUs that a note names


def with_cpus_together(found: Iterable[Unknown]) -> list[Unknown]:
    """Return one entry for all CPUs of which the same is unknown for the same reason.

    A machine has up to thousands, and what happens to it (it was suspended) happens to each.
    """
    out: dict[tuple[str, str, str], list[Unknown]] = {}
    for unknown in found:
        cpu = _CPU.fullmatch(unknown.what) if unknown.source == "stat" else None
        what = f"cpu{cpu[1] or ''}s" if cpu else unknown.what
        out.setdefault((unknown.source, what, unknown.reason), []).append(unknown)
    return [_one(group) for group in out.values()]


def _one(group: list[Unknown]) -> Unknown:
    rows = group[0].rows.copy()
    for other in group[1:]:
        rows |= other.rows
    names = [unknown.what for unknown in group]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Unknown(group[0].source, ", ".join(names[:_NAMED]) + more, group[0].reason, rows)


def unknown_note(unknown: Unknown, ends_ns: Int64) -> str:
    """Return ``diskstats sda: ... (3 intervals are unknown, the first up to 12:00:10 UTC)``."""
    when = time.strftime("%H:%M:%S UTC", time.gmtime(int(ends_ns[0]) // 10**9))
    if len(ends_ns) == 1:
        left_out = f"the interval up to {when} is unknown"
    else:
        left_out = f"{len(ends_ns)} intervals are unknown, the first up to {when}"
    return f"{unknown.source} {unknown.what}: {unknown.reason}; {left_out}"
