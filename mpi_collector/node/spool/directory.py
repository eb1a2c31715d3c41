"""Directories and locks of spools."""

import errno
import fcntl
import os
import stat
import time
import weakref

from ..errors import SpoolError
from . import marks

OTHER_FILES = ("stop", marks.FILE_NAME)  #: files in a run's directory that are no spools


def find_spools(spool_dir: str) -> list:
    """[{"dir", "run", "key", "bytes", "mtime", "alive"}] of this user's spools. What is not ours or no file is passed over."""
    base = os.path.join(spool_dir, user_directory())
    out = []
    for run in _names(base):
        for key in _names(os.path.join(base, run)):
            path = os.path.join(base, run, key)
            try:
                info = os.lstat(path)
            except OSError:
                continue
            # a name with a dot in front is of a file that is being written
            if (
                key not in OTHER_FILES
                and key[0] != "."
                and stat.S_ISREG(info.st_mode)
                and info.st_uid == os.getuid()
            ):
                out.append({"dir": spool_dir, "run": run, "key": key, "bytes": info.st_size, "mtime": int(info.st_mtime),
                            "alive": has_writer(path)})  # fmt: skip
    return out


def _names(path: str) -> list:
    try:
        return sorted(os.listdir(path)) if not os.path.islink(path) else []
    except OSError:
        return []


def has_writer(path: str) -> bool:
    """True while a process holds the lock on a spool."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def discard_spool(path: str) -> None:
    """Remove a spool, and what lies beside it when it was the last."""
    directory = os.path.dirname(path)
    remove_spool(path)
    if not [n for n in _names(directory) if n not in OTHER_FILES]:
        for name in OTHER_FILES:
            remove_spool(os.path.join(directory, name))


_LOOKS = 20  #: so often a lock is tried: who lists spools (salvage.held) has every one for a moment


class SpoolLock:
    """The flock that says that a spool's writer lives, on a descriptor of its own: the one that is mapped is duplicated by
    the map, and a forked child would keep both for as long as it lives. OSError when the file cannot be locked.
    """

    def __init__(self, directory: int, name: str) -> None:
        self._fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        for left in range(_LOOKS, -1, -1):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    os.close(self._fd)
                    raise
                time.sleep(0.01)
        _locks.add(self)

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_locks: "weakref.WeakSet" = weakref.WeakSet()


def _not_ours() -> None:
    for lock in list(_locks):
        lock.release()


if hasattr(os, "register_at_fork"):  # Python 3.7
    os.register_at_fork(after_in_child=_not_ours)


def open_run_directory(spool_dir: str, run: str) -> int:
    """Descriptor of ``spool_dir/mpi_collector-UID/run``, made 0700 if missing, never through a symlink.

    SpoolError when somebody else owns one of them or others may enter.
    """
    for left in range(_LOOKS, -1, -1):
        path = spool_dir
        try:
            fd = os.open(spool_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for name in (user_directory(), run):
                path = os.path.join(path, name)
                fd = _enter(fd, name, path)
            return fd
        except OSError as e:
            if (
                left and e.errno == errno.ENOENT and path != spool_dir
            ):  # another run was the last one, and has just ended
                continue
            raise SpoolError("%s: %s" % (path, e.strerror)) from e
    raise AssertionError("not reached")


def _enter(fd: int, name: str, path: str) -> int:
    """A directory in ``fd``, which is closed."""
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            pass
        inner = os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd
        )
    finally:
        os.close(fd)
    info = os.fstat(inner)
    if info.st_uid != os.getuid() or info.st_mode & 0o077:
        os.close(inner)
        raise SpoolError("%s: must belong to this user alone (owner and mode 0700)" % path)
    return inner


def user_directory() -> str:
    return "mpi_collector-%d" % os.getuid()


def remove_spool(path: str) -> None:
    """Delete a spool, and the directories of its run and of the user when they are empty then."""
    run = os.path.dirname(path)
    for remove, what in ((os.unlink, path), (os.rmdir, run), (os.rmdir, os.path.dirname(run))):
        try:
            remove(what)
        except OSError:  # gone already, or something of others is still in the directory
            pass
