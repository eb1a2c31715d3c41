"""Names of the files of a run, and the marker that reserves them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpi_collector.errors import ResultsError
from mpi_collector.node.regular_file import open_regular
from mpi_collector.node.spool.lock import is_locked

RUN_SUFFIX = ".run.json"
SUFFIXES = (
    "timeseries.json",
    "timeseries.npz",
    "cluster_info.json",
    "metadata.json",
    "run.json",
    "marks.json",
    "report.html",
)

#: marker -> its descriptor, which holds the lock of a run of this process
_locks: dict[Path, int] = {}


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, ``{benchmark}_{datetime}_*`` in ``directory``: see ``reserve``."""

    results_dir: Path  #: where marker, marks and stop request are
    benchmark: str
    datetime: str
    subdirectory: Path = Path()  #: of ``results_dir``, where the files go
    document: str = "metadata.json"  #: suffix of the document that describes the run
    layout: Path | None = None  #: subdirectory that was asked for, without the datetime
    first: bool = True  #: when the names were reserved, no other run had ``results_dir``
    made: bool = False  #: ``results_dir`` was made for this run alone

    @property
    def directory(self) -> Path:
        """Where the files of the run go."""
        return self.results_dir / self.subdirectory

    @property
    def stem(self) -> str:
        return f"{self.benchmark}_{self.datetime}"

    def path(self, suffix: str) -> Path:
        return self.directory / f"{self.stem}_{suffix}"

    @property
    def marker(self) -> Path:
        """The marker: it exists, and is locked, as long as the run lasts."""
        return self.results_dir / f".mpi_collector_{self.stem}{RUN_SUFFIX}"

    @property
    def marks(self) -> Path:
        """Marks made on a host that has the results directory and is not recorded itself."""
        return self.results_dir / f".mpi_collector_{self.stem}.marks"

    @property
    def stop_request(self) -> Path:
        """The request of ``mpi_collector stop`` on a host that has the results directory."""
        return self.results_dir / f".mpi_collector_{self.stem}.stop"

    @property
    def door(self) -> Path:
        """The address at which the run is told that a request was left here."""
        return self.results_dir / f".mpi_collector_{self.stem}.door"


def reserve(
    results_dir: Path,
    benchmark: str,
    about: Mapping[str, object],
    now_s: float | None = None,
    layout: Path | None = None,
    for_this: bool = False,
) -> RunFiles:
    """Reserve the names of a run in ``results_dir``, which is made if missing.

    The datetime is local time, the next second whose names are free, held by a marker with the
    content ``about``. now_s: seconds since the epoch. layout: the files go into
    ``results_dir/layout/{datetime}``, else where ``placement.place`` says when they are written.
    for_this: a directory that is made here goes with the run where it stays empty. ResultsError
    when the directory cannot be made or written.
    """
    made = not os.path.lexists(results_dir)
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        second = int(time.time() if now_s is None else now_s)
        return _reserve(results_dir, benchmark, about, second, layout, made and for_this)
    except OSError as e:
        if made:
            _remove_empty(results_dir)
        raise ResultsError(
            f"cannot write the results directory {results_dir}: {e.strerror}; "
            "choose another with --results-dir"
        ) from e


def _reserve(
    results_dir: Path,
    benchmark: str,
    about: Mapping[str, object],
    second: int,
    layout: Path | None,
    made: bool,
) -> RunFiles:
    while True:
        datetime = time.strftime("%Y%m%d_%H%M%S", time.localtime(second))
        files = RunFiles(results_dir, benchmark, datetime, layout=layout)
        second += 1
        if any(os.path.lexists(path) for path in _claimed(files)):
            continue
        try:
            fd = os.open(files.marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        _locks[files.marker] = fd
        try:
            _put(fd, json.dumps({**about, "stem": files.stem}).encode())
        except OSError:
            release(files)
            raise
        # held until this process ends, however it ends; some file systems have no locks
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # only now: of two runs that begin together at least one sees the other's marker
        return replace(files, first=not _other_runs(files), made=made)


def _remove_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def _claimed(files: RunFiles) -> Iterator[Path]:
    """Yield the names that a run of this datetime may use."""
    if files.layout is not None:
        yield files.results_dir / files.layout / files.datetime
    yield from (files.path(suffix) for suffix in (*SUFFIXES, "timeseries"))
    for name in (files.stem, f"mpi_collector_{files.datetime}"):
        yield files.results_dir / name


def _other_runs(files: RunFiles) -> bool:
    """Return whether another run that may be alive has a marker in the results directory."""
    others = files.results_dir.glob(f".mpi_collector_*{RUN_SUFFIX}")
    return any(may_be_locked(marker) for marker in others if marker != files.marker)


def take_over(files: RunFiles) -> None:
    """Hold the names that another process of this run had reserved, and has died. OSError."""
    fd = open_regular(files.marker, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    _locks[files.marker] = fd
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def marker_owner(files: RunFiles) -> int | None:
    """Return the user id that the marker of a run of this process has got; None: it has none."""
    fd = _locks.get(files.marker)
    return None if fd is None else os.fstat(fd).st_uid


def announce(files: RunFiles, about: Mapping[str, object]) -> None:
    """Replace the content of the marker, in which ``mpi_collector stop`` finds the run.

    It is written through its descriptor: its name may be another file's by now. OSError.
    """
    fd = _locks.get(files.marker)
    if fd is not None:
        _put(fd, json.dumps(about).encode() + b"\n")


def _put(fd: int, text: bytes) -> None:
    """Make ``text`` the content of a small file. OSError when it did not get all of it."""
    wrote = os.pwrite(fd, text, 0)
    os.ftruncate(fd, wrote)
    if wrote < len(text):
        raise OSError(errno.ENOSPC, "no room for a file of one line")


def release(files: RunFiles) -> None:
    """Remove the hidden files of a run, and directories made for it that stayed empty.

    Raises nothing.
    """
    for path in (files.marker, files.door, files.stop_request, files.marks):
        with contextlib.suppress(OSError):
            path.unlink()
    if files.subdirectory.parts:
        _remove_empty(files.directory)
    if files.made:
        _remove_empty(files.results_dir)
    if files.marker in _locks:
        # a file system that is full or gone may report at this moment what it could not write
        with contextlib.suppress(OSError):
            os.close(_locks.pop(files.marker))


def may_be_locked(path: Path) -> bool:
    """Return False when no living process holds the lock on ``path`` (a marker, a spool).

    True also where that cannot be known: the file is gone, or may not be opened.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        fd = open_regular(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return True
    return is_locked(fd)
