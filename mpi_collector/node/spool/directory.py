"""The directory of a run's spools, the files in it, and the lock that a spool's writer holds."""

import errno
import fcntl
import os
import stat
import time
import weakref

from ..errors import SpoolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# no host has a name with a dot in front
_STOP = ".stop"  #: its existence asks the run to stop
_MARKS = ".marks"  #: marks of users on this host, one JSON document a line (marks.py)
_LOCK_TRIES = (
    20  #: ``find_spools`` of another process holds a shared lock on each spool for a moment
)
_LOCK_RETRY_S = 0.01


def user_directory() -> str:
    """Return the name of the directory that holds all runs of this user."""
    return "mpi_collector-%d" % os.getuid()


class RunDirectory:
    """The directory ``SPOOL_DIR/mpi_collector-UID/RUN``: spools of a run on one host, named by key.

    Beside the spools it may hold the files ``.stop`` and ``.marks``, which other processes of the
    user leave there, and ``.NAME.part``, a copy that is not finished.
    """

    __slots__ = ("path", "run", "spool_dir")

    def __init__(self, spool_dir: str, run: str) -> None:
        self.spool_dir = spool_dir
        self.run = run
        self.path: str = os.path.join(spool_dir, user_directory(), run)

    @classmethod
    def of_spool(cls, path: str) -> "RunDirectory":
        """Return the directory that the spool at ``path`` lies in."""
        user, run = os.path.split(os.path.dirname(path))
        return cls(os.path.dirname(user), run)

    @classmethod
    def all_in(cls, spool_dir: str) -> "list[RunDirectory]":
        """Return the run directories of this user in ``spool_dir``, by name."""
        return [cls(spool_dir, run) for run in _names(os.path.join(spool_dir, user_directory()))]

    @property
    def stop_path(self) -> str:
        """Path of the file that asks the run to stop."""
        return os.path.join(self.path, _STOP)

    @property
    def marks_path(self) -> str:
        """Path of the file of marks."""
        return os.path.join(self.path, _MARKS)

    def spool_path(self, key: str) -> str:
        """Return the path of the spool of host ``key``."""
        return os.path.join(self.path, key)

    def spool_names(self) -> "list[str]":
        """Return the names of the spools, without files that are being written (a dot in front)."""
        return [n for n in _names(self.path) if not n.startswith(".")]

    def open(self) -> int:
        """Return a descriptor of the directory, made with mode 0700 if missing; follow no symlink.

        SpoolError when it or the user's directory belongs to somebody else or others may enter it.
        """
        for left in range(_LOCK_TRIES, -1, -1):
            path = self.spool_dir
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                for name in (user_directory(), self.run):
                    path = os.path.join(path, name)
                    fd = _enter(fd, name, path)
                return fd
            except OSError as e:
                # a run that ended may have removed the user's directory after it was opened here
                if left and e.errno == errno.ENOENT and path != self.spool_dir:
                    continue
                raise SpoolError("%s: %s" % (path, e.strerror)) from e
        raise AssertionError("not reached")

    def discard(self, key: str) -> None:
        """Remove the spool of ``key``, and after the last one the directory and all in it."""
        remove_spool(self.spool_path(key))
        if not [n for n in _names(self.path) if n not in (_STOP, _MARKS)]:
            for name in (_STOP, _MARKS):
                remove_spool(os.path.join(self.path, name))

    def remove_stop(self) -> None:
        """Remove the request to stop, if there is one."""
        _unlink(self.stop_path)

    def remove_marks(self) -> None:
        """Remove the file of marks, if there is one."""
        _unlink(self.marks_path)


def find_spools(spool_dir: str) -> "list[dict[str, Any]]":
    """Return this user's spools in ``spool_dir``, ordered by run and key.

    Each is {"dir", "run", "key", "bytes", "mtime" (s), "alive" (a process holds its lock)}.
    Files of other users and what is not a regular file are left out.
    """
    out: "list[dict[str, Any]]" = []
    for directory in RunDirectory.all_in(spool_dir):
        for key in directory.spool_names():
            path = directory.spool_path(key)
            try:
                info = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(info.st_mode) and info.st_uid == os.getuid():
                out.append(
                    {
                        "dir": spool_dir,
                        "run": directory.run,
                        "key": key,
                        "bytes": info.st_size,
                        "mtime": int(info.st_mtime),
                        "alive": has_writer(path),
                    }
                )
    return out


def has_writer(path: str) -> bool:
    """Return True while a process holds the exclusive lock on the spool at ``path``."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may look at the same time
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def remove_spool(path: str) -> None:
    """Remove a spool, and the directories of its run and of the user if they are empty then."""
    run = os.path.dirname(path)
    _unlink(path)
    for directory in (run, os.path.dirname(run)):
        try:
            os.rmdir(directory)
        except OSError:  # gone already, or not empty
            pass


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


def _names(path: str) -> "list[str]":
    """Return the names in a directory in order; none of a symlink or of what cannot be listed."""
    try:
        return sorted(os.listdir(path)) if not os.path.islink(path) else []
    except OSError:
        return []


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:  # not there
        pass


def _enter(fd: int, name: str, path: str) -> int:
    """Return a descriptor of the directory ``name`` in ``fd``, made if missing; close ``fd``."""
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            pass
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        inner = os.open(name, flags, dir_fd=fd)
    finally:
        os.close(fd)
    info = os.fstat(inner)
    if info.st_uid != os.getuid() or info.st_mode & 0o077:
        os.close(inner)
        raise SpoolError("%s: must belong to this user alone (owner and mode 0700)" % path)
    return inner
