"""What runs that were killed have left in a results directory: markers, requests, unfinished files.

Removed is only what belongs to this user and to a run that has ended. A marker tells: it is locked
as long as its run lasts. Locks of other hosts cannot be seen everywhere, so a marker that another
host, or another boot, has made counts as alive for ``MARKER_DAYS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mpi_collector.node.host.identity import boot_id
from mpi_collector.node.regular_file import read_own
from mpi_collector.output.files import RUN_SUFFIX, may_be_locked

MARKER_DAYS = 30.0
PART_DAYS = 1.0  #: a file that was not finished; one that is written changes all the time
_DAY_S = 86400.0
_YOUNG_S = 60.0  #: a marker is locked only after it was made
_MARKER = re.compile(rf"\.mpi_collector_(.+){re.escape(RUN_SUFFIX)}")
_PART = re.compile(r"\..+_[0-9]{8}_[0-9]{6}_.+\.[0-9a-f]{8}\.part")
_BESIDE = (RUN_SUFFIX, ".stop", ".marks", ".door")
_NAMES_MAX = 20_000  #: of a directory
_MARKER_BYTES = 1 << 16


def remove_litter(results_dir: Path, now_s: float | None = None) -> None:
    """Remove what dead runs have left in a results directory. Raises nothing.

    now_s: seconds since the epoch.
    """
    now_s = time.time() if now_s is None else now_s
    boot = boot_id()
    for name in _hidden_names(results_dir):
        path = results_dir / name
        if _PART.fullmatch(name) and _own_age_s(path, now_s) > PART_DAYS * _DAY_S:
            _unlink(path)
        elif (found := _MARKER.fullmatch(name)) and _is_dead(path, boot, now_s):
            _remove_run(results_dir, found[1])


def remove_litter_of(results_dir: Path, run: str) -> None:
    """Remove what the run ``run`` has left there, which has ended everywhere. Raises nothing."""
    for name in _hidden_names(results_dir):
        found = _MARKER.fullmatch(name)
        path = results_dir / name
        if found and _about(path).get("run") == run and not may_be_locked(path):
            _remove_run(results_dir, found[1])


def _is_dead(marker: Path, boot: str | None, now_s: float) -> bool:
    """Return whether the run of a marker of this user has ended."""
    age_s = _own_age_s(marker, now_s)
    if age_s < _YOUNG_S or may_be_locked(marker):
        return False
    here = boot is not None and _about(marker).get("boot_id") == boot
    return here or age_s > MARKER_DAYS * _DAY_S


def _about(marker: Path) -> dict[str, object]:
    try:
        about = json.loads(read_own(marker, _MARKER_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _remove_run(results_dir: Path, stem: str) -> None:
    """Remove unfinished files of a run, its directory if it is empty, and its marker at last."""
    datetime = "_".join(stem.split("_")[-2:])
    below = [results_dir / stem, results_dir / f"mpi_collector_{datetime}"]
    for directory in (results_dir, *below):
        for name in _hidden_names(directory):
            if _PART.fullmatch(name) and name.startswith(f".{stem}_"):
                path = directory / name
                if _own_age_s(path, time.time()):
                    _unlink(path)
    for directory in below:
        with contextlib.suppress(OSError):  # not there, or not empty
            directory.rmdir()
    for ending in reversed(_BESIDE):
        _unlink(results_dir / f".mpi_collector_{stem}{ending}")


def _hidden_names(directory: Path) -> Iterator[str]:
    """Yield the names with a dot in front; none of what cannot be listed."""
    try:
        with os.scandir(directory) as entries:
            found = [e.name for e in islice(entries, _NAMES_MAX) if e.name.startswith(".")]
    except OSError:
        return
    yield from sorted(found)


def _own_age_s(path: Path, now_s: float) -> float:
    """Return the age of a regular file of this user, s; 0 for anything else."""
    try:
        info = path.lstat()
    except OSError:
        return 0.0
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
        return 0.0
    return max(now_s - info.st_mtime, 1e-9)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):  # not there, or another user's
        path.unlink()
