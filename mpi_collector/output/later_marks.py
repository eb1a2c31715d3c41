"""Adds marks to the file beside a finished recording."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mpi_collector.errors import ResultsError
from mpi_collector.formats.later_marks import LaterMark, later_marks_path
from mpi_collector.node.regular_file import owners_in
from mpi_collector.store.later_marks import read_later_marks


def add_later_marks(recording: Path, new: Sequence[LaterMark]) -> Path:
    """Add marks and return the file. Two processes may do so at once.

    RecordingError when the file there is damaged, ResultsError when it cannot be written.
    """
    path = later_marks_path(recording)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _locked(recording):
            _refuse_foreign(path)
            marks = [*read_later_marks(recording), *new]
            lines = ",\n ".join(json.dumps(m) for m in marks)
            try:
                with open(temporary, "x", encoding="utf-8") as f:
                    f.write(f"[{lines}]\n")
                    f.flush()
                    os.fsync(f.fileno())
                os.replace(temporary, path)
            except OSError:
                with suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as e:
        raise ResultsError(f"cannot write {path}: {e.strerror}") from e
    return path


def _refuse_foreign(path: Path) -> None:
    """Raise OSError where the marks of another user, which do not count, have the name."""
    owners = owners_in(path.parent)
    if owners is not None and os.path.lexists(path) and os.lstat(path).st_uid not in owners:
        raise OSError(errno.EPERM, "belongs to another user", str(path))


@contextmanager
def _locked(recording: Path) -> Iterator[None]:
    """Hold a lock on the recording; where its file system has no locks, nothing."""
    fd = os.open(recording, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
