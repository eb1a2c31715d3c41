"""Retention: remove the oldest spools of dead runs that nobody recovered, to free their memory.

Spools that have a living writer, are being recovered, or are younger than a day stay. Every removal
is reported.
"""

import time

from ..errors import SpoolError
from .backup import open_any
from .directory import RunDirectory, find_spools
from .format import begin_wall_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reader import SpoolReader

GRACE_DAYS = 1.0
_DAY_S = 86400.0
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 7)  # named from Python 3.7 on


class DeadRun:
    """The spools of a dead run on this host.

    ``written``: time of the last change, s since the epoch.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: "list[str]" = []
        self.bytes: int = 0
        self.written: float = 0.0


def apply_retention(
    spool_dir: str,
    run: str,
    runs_max: int,
    days_max: float,
    bytes_max: "int | None",
    now: "float | None" = None,
    up_s: "float | None" = None,
) -> "tuple[list[str], int]":
    """Remove the oldest dead runs beyond the bounds; return (messages, bytes of those that stay).

    A bound of 0 or None does not apply. ``run``: the one that begins. Dead runs may take half of
    ``bytes_max``. ``now``, ``up_s``: time and time since boot, s, if not those of this host.
    """
    now = time.time() if now is None else now
    # nothing on tmpfs is older than the last boot: a wall clock far ahead must not make all spools
    # old
    up_s = time.clock_gettime(_BOOTTIME) if up_s is None else up_s
    said: "list[str]" = []
    kept: "list[float]" = []
    held: int = 0
    for left in _dead(spool_dir, run):
        days = min(now - left.written, up_s) / _DAY_S
        bound, at_least = _beyond(
            days, len(kept) + 1, held + left.bytes, runs_max, days_max, bytes_max
        )
        if bound and _remove(spool_dir, left, now - at_least * _DAY_S):
            said.append(
                "removed run %s, which was never recovered: %.1f MB, %.0f days old, beyond %s"
                % (left.name, left.bytes / 1e6, days, bound)
            )
        else:
            kept.append(days)
            held += left.bytes
    if kept and _soon(kept, held, runs_max, days_max, bytes_max):
        said.append(
            "%d runs that were never recovered take %.1f MB of %s; the oldest will be removed "
            "unless you recover it: mpi_collector recover" % (len(kept), held / 1e6, spool_dir)
        )
    return said, held


def _beyond(
    days: float, runs: int, held: int, runs_max: int, days_max: float, bytes_max: "int | None"
) -> "tuple[str, float]":
    """Return (the bound that is exceeded, "" for none; age in days from which on it applies)."""
    if days_max and days > max(days_max, GRACE_DAYS):
        return "--keep-spool-days %g" % days_max, max(days_max, GRACE_DAYS)
    if days > GRACE_DAYS and runs_max and runs > runs_max:
        return "--keep-spools %d" % runs_max, GRACE_DAYS
    if days > GRACE_DAYS and bytes_max and held > bytes_max / 2:
        return "half of --max-spool-mb", GRACE_DAYS
    return "", 0.0


def _soon(
    kept: "list[float]", held: int, runs_max: int, days_max: float, bytes_max: "int | None"
) -> bool:
    """Return True beyond half of a bound. ``kept``: age of each run in days."""
    many = runs_max and len(kept) > runs_max / 2
    return bool(
        many or (days_max and max(kept) > days_max / 2) or (bytes_max and held > bytes_max / 4)
    )


def _dead(spool_dir: str, run: str) -> "list[DeadRun]":
    """Return the runs without a living writer, other than ``run``, the newest first."""
    runs: "dict[str, DeadRun]" = {}
    living = {run}
    for spool in find_spools(spool_dir):
        left = runs.setdefault(spool["run"], DeadRun(spool["run"]))
        left.keys.append(spool["key"])
        left.bytes += spool["bytes"]
        left.written = max(left.written, spool["mtime"])
        if spool["alive"]:
            living.add(spool["run"])
    dead = [left for name, left in runs.items() if name not in living]
    return sorted(dead, key=lambda left: -left.written)


def _remove(spool_dir: str, left: "DeadRun", since: float) -> bool:
    """Remove a run; return False when a spool cannot be read or has a sample after ``since`` (s).

    The time of the file says too little: writing to a map does not change it.
    """
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


def _last_wall_s(reader: "SpoolReader") -> float:
    """Return when the last sample began, s since the epoch."""
    last = 0
    for part in (reader.rows(), reader.staged()):
        for _tick, at in part:
            last = max(last, begin_wall_ns(reader.data, at))
    return last * 1e-9
