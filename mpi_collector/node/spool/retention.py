"""Retention: remove the oldest spools of dead runs that nobody recovered, to free their memory.

Spools that have a living writer, are being recovered, or are younger than a day stay. Every removal
is reported. What holds no sample goes: a run that never sampled when its writer was on this host
since its last boot, and is dead; else after an hour, as what lies beside spools that are gone, and
a directory without anything.
"""

import os
import time

from ..errors import RunClaimedError, SpoolError
from .backup import open_any
from .claim import RunClaim
from .directory import RunDirectory, find_spools
from .format import begin_wall_ns
from .reader import open_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .reader import SpoolReader

GRACE_DAYS = 1.0
LITTER_S = 3600.0  #: after which what holds no sample goes; a run that begins takes less
_TOKEN = "retention"
_REMOVED = "removed run %s, which was never recovered: %.1f MB, %.0f days old, beyond %s"
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
    boot_id: "str | None" = None,
) -> "tuple[list[str], int]":
    """Remove the oldest dead runs beyond the bounds; return (messages, bytes of those that stay).

    A bound of 0 or None does not apply. ``run``: the one that begins. Dead runs may take half of
    ``bytes_max``. ``now``, ``up_s``, ``boot_id``: time and time since boot, s, if not those of this
    host; and its boot id, if it is known.
    """
    now = time.time() if now is None else now
    # nothing on tmpfs is older than the last boot, however far ahead the wall clock is
    up_s = time.clock_gettime(_BOOTTIME) if up_s is None else up_s
    said = _remove_litter(spool_dir, run, now, up_s) + remove_unsampled(spool_dir, run, boot_id)
    kept: "list[float]" = []
    held: int = 0
    for left in _dead(spool_dir, run):
        days = min(now - left.written, up_s) / _DAY_S
        bound, at_least = _beyond(
            days, len(kept) + 1, held + left.bytes, runs_max, days_max, bytes_max
        )
        if bound and _remove(spool_dir, left, now - at_least * _DAY_S, _last_wall_s):
            about = (left.name, left.bytes / 1e6, days, bound)
            said.append(_REMOVED % about)
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


def _remove_litter(spool_dir: str, run: str, now: float, up_s: float) -> "list[str]":
    """Remove runs that hold no sample, directories without a spool, copies that were not finished.

    ``now``: s since the epoch. Nothing younger than an hour (a copy: a day) or of ``run``. Return
    messages about the runs.
    """
    for directory in RunDirectory.all_in(spool_dir):
        if directory.run == run:
            continue
        for name in directory.unfinished():
            if _age_s(os.path.join(directory.path, name), now, up_s) > GRACE_DAYS * _DAY_S:
                directory.remove(name)
        if not directory.spool_names() and _age_s(directory.path, now, up_s) > LITTER_S:
            try:
                claim = RunClaim([spool_dir], directory.run, _TOKEN)
            except RunClaimedError:
                continue
            directory.remove_if_empty()
            claim.release()
    return [
        "removed run %s, which had recorded nothing" % left.name
        for left in _dead(spool_dir, run)
        if min(now - left.written, up_s) > LITTER_S and _remove(spool_dir, left, 0.0, _any_sample)
    ]


def remove_unsampled(spool_dir: str, run: str, boot_id: "str | None") -> "list[str]":
    """Remove runs, other than ``run``, that died on this host before their first sample.

    ``boot_id``: of this host. On a file system of several hosts another host's lock may not show.
    Return messages.
    """
    if boot_id is None:
        return []
    return [
        "removed run %s, which had recorded nothing" % left.name
        for left in _dead(spool_dir, run)
        if all(_is_unsampled(path, boot_id) for path in _paths(spool_dir, left))
        and _remove(spool_dir, left, 0.0, _any_sample)
    ]


def _is_unsampled(path: str, boot_id: str) -> bool:
    """Return whether a spool was made since the boot ``boot_id``, and holds no sample."""
    try:
        reader = open_any(path)
    except SpoolError:
        return False
    identity = reader.meta.get("identity")
    made_here = isinstance(identity, dict) and identity.get("boot_id") == boot_id
    return made_here and not _any_sample(reader)


def _paths(spool_dir: str, left: "DeadRun") -> "list[str]":
    return [RunDirectory(spool_dir, left.name, key).spool_path(key) for key in left.keys]


def _age_s(path: str, now: float, up_s: float) -> float:
    """Return the seconds since a file or a directory was changed; 0 when it is gone."""
    try:
        return min(now - os.lstat(path).st_mtime, up_s)
    except OSError:
        return 0.0


def _remove(
    spool_dir: str, left: "DeadRun", since: float, measured: "Callable[[SpoolReader], float]"
) -> bool:
    """Remove a run; return False when it is claimed, or one of its spools may not be removed.

    That is one with a living writer, or with ``measured`` above ``since``.
    """
    locks: "list[object]" = []  # held until the spools are gone
    try:
        claim = RunClaim([spool_dir], left.name, _TOKEN)
    except RunClaimedError:
        return False
    try:
        if any(_measured(p, measured, locks) > since for p in _paths(spool_dir, left)):
            return False
        for key in left.keys:
            RunDirectory(spool_dir, left.name, key).discard(key)
        return True
    except SpoolError:
        return False
    finally:
        claim.release()


def _measured(
    path: str, measured: "Callable[[SpoolReader], float]", locks: "list[object]"
) -> float:
    """Return ``measured`` of a spool; of one that cannot be read the time of its last change, s.

    Nothing better is known of a spool of another version, or a damaged one. What is added to
    ``locks`` keeps the spool locked. SpoolError when its writer lives.
    """
    try:
        reader = open_any(path)
        locks.append(reader)
        return measured(reader)
    except SpoolError:
        pass  # only behind this block its map is gone, and with it the lock
    holder = os.fdopen(open_locked(path), "rb")
    locks.append(holder)
    info = os.fstat(holder.fileno())
    return info.st_mtime if info.st_size else 0.0


def _any_sample(reader: "SpoolReader") -> float:
    """Return 1.0 when there is a sample in a spool, else 0.0."""
    return float(any(True for _ in reader.rows()) or any(True for _ in reader.staged()))


def _last_wall_s(reader: "SpoolReader") -> float:
    """Return when the last sample began, s since the epoch."""
    last = 0
    for part in (reader.rows(), reader.staged()):
        for _tick, at in part:
            last = max(last, begin_wall_ns(reader.data, at))
    return last * 1e-9
