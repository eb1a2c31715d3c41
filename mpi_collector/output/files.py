"""Names of the files of a run, and how they come into being: whole, once, and never over something else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mpi_collector.errors import ResultsError

RUN_SUFFIX = ".run.json"
SUFFIXES = (
    "timeseries.json",
    "timeseries.npz",
    "cluster_info.json",
    "metadata.json",
    "report.html",
)


_locks: dict[Path, int] = {}  #: descriptors of the markers of runs that are on


@dataclass(frozen=True)
class RunFiles:
    """The files of one run: ``{benchmark}_{datetime}_...`` in ``directory``. Make it with ``reserve``."""

    directory: Path
    benchmark: str
    datetime: str

    @property
    def stem(self) -> str:
        return f"{self.benchmark}_{self.datetime}"

    def path(self, suffix: str) -> Path:
        return self.directory / f"{self.stem}_{suffix}"

    @property
    def marker(self) -> Path:
        """There while the run is: says where it runs."""
        return self.directory / f".mpi_collector_{self.stem}{RUN_SUFFIX}"

    @property
    def marks(self) -> Path:
        """Marks made on a host that sees the results directory and is not recorded itself."""
        return self.directory / f".mpi_collector_{self.stem}.marks"

    @property
    def stop_request(self) -> Path:
        """Made by ``mpi_collector stop`` on a host that sees the results directory."""
        return self.directory / f".mpi_collector_{self.stem}.stop"


def reserve(
    directory: Path, benchmark: str, about: dict[str, Any], now: float | None = None
) -> RunFiles:
    """A run's names in ``directory`` (made if missing): local time, the next free second, held by an O_EXCL marker.

    ResultsError when the directory cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        second = int(time.time() if now is None else now)
        while True:
            files = RunFiles(
                directory, benchmark, time.strftime("%Y%m%d_%H%M%S", time.localtime(second))
            )
            second += 1
            if any(os.path.lexists(files.path(s)) for s in SUFFIXES):
                continue
            try:
                fd = os.open(files.marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue
            os.write(fd, json.dumps(dict(about, stem=files.stem)).encode())
            _locks[files.marker] = fd
            try:
                fcntl.flock(
                    fd, fcntl.LOCK_EX | fcntl.LOCK_NB
                )  # goes with this process, however that ends
            except OSError:  # a file system without locks: nobody can tell, then
                pass
            return files
    except OSError as e:
        raise ResultsError(
            f"cannot write the results directory {directory}: {e.strerror}; choose another with --results-dir"
        ) from e


def announce(files: RunFiles, about: dict[str, Any]) -> None:
    """Say in the marker what ``mpi_collector stop`` looks for. By its descriptor: the name may have become something else's."""
    fd = _locks.get(files.marker)
    if fd is not None:
        os.ftruncate(fd, os.pwrite(fd, json.dumps(about).encode() + b"\n", 0))


def release(files: RunFiles) -> None:
    """Remove the marker, a stop request and marks, if their directory is still there."""
    for path in (files.marker, files.stop_request, files.marks):
        with contextlib.suppress(OSError):
            path.unlink()
    if files.marker in _locks:
        os.close(_locks.pop(files.marker))


def held(path: Path) -> bool:
    """False when no living process holds the lock on ``path`` (a marker, a spool). True where that cannot be known."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under ``path`` only when it is whole and on disk.

    FileExistsError rather than overwriting anything, a symlink included.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with _opened(temporary, path) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(path):
                raise FileExistsError(17, "exists already", str(path)) from None
            os.rename(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _opened(temporary: Path, path: Path) -> BinaryIO:
    try:
        return open(
            temporary, "xb", buffering=1 << 20
        )  # x = O_EXCL, which follows no symlink either
    except OSError as e:  # the name that the user knows
        raise OSError(e.errno, e.strerror, str(path)) from e


def _sync(directory: Path) -> None:
    """The name, too, is on disk: spools are removed after this."""
    with contextlib.suppress(OSError):  # some file systems refuse it for directories
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
