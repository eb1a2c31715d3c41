"""Temporary directories that a later run removes where a killed process has left them."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time

_PREFIX = "mpi_collector_tmp-"
_AGE_S = 3600.0  #: of what is removed; its lock is taken within a moment


class ScratchDirectory(tempfile.TemporaryDirectory[str]):
    """A temporary directory that is locked as long as its process lives.

    Those of processes that have died are removed first.
    """

    def __init__(self) -> None:
        remove_left(tempfile.gettempdir())
        super().__init__(prefix=_PREFIX)
        self._lock = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def cleanup(self) -> None:
        """Remove it. It may be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        super().cleanup()


def remove_left(place: str) -> None:
    """Remove the directories in ``place`` that processes of this user left when they were killed.

    Raises nothing.
    """
    try:
        names = os.listdir(place)
    except OSError:
        return
    for name in names:
        if name.startswith(_PREFIX):
            _remove_if_left(os.path.join(place, name))


def _remove_if_left(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone, no directory, or another user's
        return
    try:
        info = os.fstat(fd)
        old = time.time() - info.st_mtime > _AGE_S
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and old:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except OSError:  # its process lives
        pass
    finally:
        os.close(fd)
