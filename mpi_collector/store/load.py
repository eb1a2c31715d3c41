"""Opening a recording by its path."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mpi_collector.errors import RecordingError
from mpi_collector.formats.suite_reader import start_of_suite
from mpi_collector.node.regular_file import owners_in
from mpi_collector.store.later_marks import as_marks, read_later_marks
from mpi_collector.store.recording import Recording
from mpi_collector.store.suite_recording import load_suite

_NAMES_MAX = 5000  #: names looked at in a subdirectory, which may be a data set
_STEM_TIME = re.compile(r"_([0-9]{8}_[0-9]{6})_timeseries\.")
#: two datetimes in names are local, and time zones are up to 26 hours apart
_ZONES_NS = 27 * 3600 * 10**9


def load(path: str | Path) -> Recording:
    """Open a recording.

    ``path``: an ``.npz`` file, the same up to ``_timeseries.npz``, a ``*_timeseries.json`` (the
    suite's or ours), or a directory: its newest ``*_timeseries.npz``, in it or one level down, or
    the newest ``*_timeseries.json`` where there is no npz. The newest is the one that began last.
    Marks in ``*_marks.json`` beside the file (``mark --at``) are added to those of the run.
    RecordingError when there is none or it is damaged.
    """
    p = Path(path)
    if p.is_dir():
        p = _newest(p)
    elif not p.exists() and (whole := p.with_name(f"{p.name}_timeseries.npz")).exists():
        p = whole
    recording = load_suite(p) if p.suffix == ".json" else Recording(p)
    try:
        later = as_marks(read_later_marks(p))
    except RecordingError:
        recording.close()
        raise
    if later:
        marks = [*recording.run.get("marks", []), *later]
        recording.run["marks"] = sorted(marks, key=lambda m: m["utc_ns"])
    return recording


def _newest(directory: Path) -> Path:
    """Return the time series of a results directory that began last."""
    others = 0  # recordings of other users that do not count
    for suffix in ("npz", "json"):
        counts = _Counts(directory)
        found = sorted(filter(counts, _series(directory, f"_timeseries.{suffix}")))
        others += counts.others
        if len(found) == 1:
            return found[0]
        if found:
            named = {path: _named_ns(path) for path in found}
            since_ns = max(named.values()) - _ZONES_NS
            return max(
                (path for path in found if named[path] >= since_ns),
                key=lambda path: (_start_ns(path, named[path]), path.name),
            )
    if others:
        raise RecordingError(
            f"{directory}: anyone may write here, and all {others} recordings are other users': "
            "name the file that is meant"
        )
    raise RecordingError(f"{directory}: no *_timeseries.npz in this directory")


def recordings_in(directory: Path, most: int) -> list[Path]:
    """Return the recordings in a directory and one level down that may count, the last by name.

    RecordingError when the directory cannot be read.
    """
    for suffix in ("npz", "json"):
        found = filter(_Counts(directory), _series(directory, f"_timeseries.{suffix}"))
        by_time = sorted(found, key=lambda path: (_named_ns(path), path.name))
        if by_time:
            return by_time[-most:]
    return []


class _Counts:
    """Tells which files of a results directory can be its newest recording.

    Where anyone may write, those of other users cannot: ``others`` is their number.
    """

    def __init__(self, directory: Path) -> None:
        self._top = directory
        self._owners: dict[Path, set[int] | None] = {}
        self.others = 0

    def __call__(self, path: Path) -> bool:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return False
            owners = self._owners_in(path.parent)
            counts = owners is None or path.lstat().st_uid in owners
        except OSError:  # gone, or a symlink to nowhere
            return False
        self.others += not counts
        return counts

    def _owners_in(self, directory: Path) -> set[int] | None:
        """As ``owners_in``; below a directory in which anyone may write anything can be theirs."""
        if directory not in self._owners:
            own = owners_in(directory)
            top = own if directory == self._top else self._owners_in(self._top)
            self._owners[directory] = own if top is None else top
        return self._owners[directory]


def _series(directory: Path, ending: str) -> Iterator[Path]:
    """Yield the files with ``ending`` in a directory and one level down."""
    yield from directory.glob(f"*{ending}")
    for below in _subdirectories(directory):
        try:
            yield from (p for p in islice(below.iterdir(), _NAMES_MAX) if _is_one(p.name, ending))
        except OSError:  # not ours to read, or gone
            continue


def _is_one(name: str, ending: str) -> bool:
    return name.endswith(ending) and not name.startswith(".")


def _subdirectories(directory: Path) -> Iterator[Path]:
    try:
        for entry in directory.iterdir():
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry
    except OSError as e:
        raise RecordingError(f"{directory}: {e.strerror}") from e


def _named_ns(path: Path) -> int:
    """The datetime in a name, as if it were of this time zone; 0 for a name without one."""
    found = _STEM_TIME.search(path.name)
    try:
        parsed = time.strptime(found[1], "%Y%m%d_%H%M%S") if found else None
    except ValueError:
        return 0
    return int(time.mktime(parsed)) * 10**9 if parsed else 0


def _start_ns(path: Path, named_ns: int) -> int:
    """When a recording began, UTC ns; by its name where it cannot be read."""
    try:
        if path.suffix == ".json":
            return start_of_suite(path) or named_ns
        with Recording(path) as recording:
            return recording.run["start_ns"]
    except RecordingError:
        return named_ns
