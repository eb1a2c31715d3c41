"""The lock that the writer of a spool holds."""

import fcntl
import os
import time
import weakref

#: ``find_spools`` of another process holds a shared lock on each spool for a moment
_LOCK_TRIES = 20
_LOCK_RETRY_S = 0.01


def has_writer(path: str) -> bool:
    """Return True while a process holds the exclusive lock on the spool at ``path``."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    return is_locked(fd)


def is_locked(fd: int) -> bool:
    """Return True while a process holds the exclusive lock on an open file. Close ``fd``."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may look at the same time
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class SpoolLock:
    """The exclusive flock that says that a spool has a writer. OSError when it cannot be had.

    It is held on a descriptor of its own: a map duplicates the descriptor it is made of, and a
    forked child would keep both open as long as it lives.
    """

    def __init__(self, directory: int, name: str) -> None:
        self._fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        for left in range(_LOCK_TRIES, -1, -1):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    os.close(self._fd)
                    raise
                time.sleep(_LOCK_RETRY_S)
        _locks.add(self)

    def release(self) -> None:
        """Release the lock; no-op when it was released before."""
        fd = self._fd
        self._fd = -1
        if fd >= 0:
            os.close(fd)


_locks: "weakref.WeakSet[SpoolLock]" = weakref.WeakSet()


def _release_in_child() -> None:
    """Close the descriptors that a forked child inherited: its parent alone is the writer."""
    for lock in list(_locks):
        lock.release()


if hasattr(os, "register_at_fork"):  # Python 3.7
    os.register_at_fork(after_in_child=_release_in_child)
