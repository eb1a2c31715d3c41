"""What dead runs left and nobody recovered, kept within bounds: it takes the memory that later runs need.

Nothing goes that has a living writer, that somebody is recovering, or that is younger than a day, and nothing silently.
"""

import time

from ..errors import SpoolError
from .backup import open_any
from .directory import RunDirectory, find_spools
from .format import begin_wall_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GRACE_DAYS = 1.0
_DAY_S = 86400.0
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 7)  # named from Python 3.7 on


class Left:
    """A dead run's spools on this host."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.keys: list = []
        self.bytes: int = 0
        self.written: float = 0.0


def apply_retention(
    spool_dir: str,
    run: str,
    runs_max: int,
    days_max: float,
    bytes_max: "Any",
    now: "Any" = None,
    up_s: "Any" = None,
) -> tuple:
    """Remove the oldest beyond the bounds (0 or None: no such bound); (what to say of it, bytes that are left).

    ``run`` is the one that begins. Dead runs may take half of ``bytes_max``.
    """
    now = time.time() if now is None else now
    # a wall clock that is far ahead must not make everything old; after a boot nothing on tmpfs is older than that
    up_s = time.clock_gettime(_BOOTTIME) if up_s is None else up_s
    dead = sorted(_dead(spool_dir, run), key=lambda left: -left.written)
    said: list = []
    kept: list = []
    held: int = 0
    for left in dead:
        days = min(now - left.written, up_s) / _DAY_S
        bound, at_least = _beyond(
            days, len(kept) + 1, held + left.bytes, runs_max, days_max, bytes_max
        )
        if bound and _remove(spool_dir, left, now - at_least * _DAY_S):
            said.append("removed run %s, which nobody recovered: %.1f MB, %.0f days old, beyond %s"
                        % (left.name, left.bytes / 1e6, days, bound))  # fmt: skip
        else:
            kept.append(days)
            held += left.bytes
    if kept and _soon(kept, held, runs_max, days_max, bytes_max):
        said.append("%d runs that nobody recovered take %.1f MB of %s; the oldest will be removed: mpi_collector recover"
                    % (len(kept), held / 1e6, spool_dir))  # fmt: skip
    return said, held


def _beyond(
    days: float, runs: int, held: int, runs_max: int, days_max: float, bytes_max: "Any"
) -> tuple:
    """(the bound that is passed, "" for none; how many days old a run must be for it)."""
    if days_max and days > max(days_max, GRACE_DAYS):
        return "--keep-spool-days %g" % days_max, max(days_max, GRACE_DAYS)
    if days > GRACE_DAYS and runs_max and runs > runs_max:
        return "--keep-spools %d" % runs_max, GRACE_DAYS
    if days > GRACE_DAYS and bytes_max and held > bytes_max / 2:
        return "half of --max-spool-mb", GRACE_DAYS
    return "", 0.0


def _soon(kept: list, held: int, runs_max: int, days_max: float, bytes_max: "Any") -> bool:
    """Half way to a bound."""
    many = runs_max and len(kept) > runs_max / 2
    return bool(
        many or (days_max and max(kept) > days_max / 2) or (bytes_max and held > bytes_max / 4)
    )


def _dead(spool_dir: str, run: str) -> list:
    runs: dict = {}
    living = {run}
    for spool in find_spools(spool_dir):
        left = runs.setdefault(spool["run"], Left(spool["run"]))
        left.keys.append(spool["key"])
        left.bytes += spool["bytes"]
        left.written = max(left.written, spool["mtime"])
        if spool["alive"]:
            living.add(spool["run"])
    return [left for name, left in runs.items() if name not in living]


def _remove(spool_dir: str, left: "Left", since: float) -> bool:
    """False when one of its spools cannot be read or is not as old as its file looks: a map that is written leaves no mtime."""
    directory = RunDirectory(spool_dir, left.name)
    try:
        # locked from here on
        readers = [open_any(directory.spool_path(key)) for key in left.keys]
    except SpoolError:
        return False
    if max(map(_last_wall_s, readers)) > since:
        return False
    for key in left.keys:
        directory.discard(key)
    return True


def _last_wall_s(reader: "Any") -> float:
    last = 0
    for part in (reader.rows(), reader.staged()):
        for _tick, at in part:
            last = max(last, begin_wall_ns(reader.data, at))
    return last * 1e-9
