"""The directory of a run's spools, and the files in it."""

import errno
import os
import stat

from ..errors import SpoolError
from ..regular_file import read_own
from .lock import has_writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# no host has a name with a dot in front
_STOP = ".stop"  #: its existence asks the run to stop
_MARKS = ".marks"  #: marks of users on this host, one JSON document a line (marks.py)
#: where the run is told that it has a request to look at, a JSON object (transport/door.py); a host
#: of this name has its spool here, and no door then
_DOOR = "door"
_UNFINISHED = ".part"  #: end of the name of a copy (backup.py)
CLAIM = ".claim"  #: whoever locks it may take the run apart (claim.py)
_SUFFIX_BYTES = 4  #: of the name that is used where another user has taken ours
_TRIES = 20  #: to make a directory that runs that end remove


def user_directory() -> str:
    """Return the name of the directory that holds all runs of this user.

    Where another user has taken it, another name is used: this one, ``-`` and random digits.
    """
    return "mpi_collector-%d" % os.getuid()


def user_directories(spool_dir: str) -> "list[str]":
    """Return the directories in ``spool_dir`` that hold runs of this user, the usual one first."""
    usual = user_directory()
    others = [name for name in _names(spool_dir) if name.startswith(usual + "-")]
    return _own_directories(spool_dir, [usual] + others)


class RunDirectory:
    """The directory ``SPOOL_DIR/mpi_collector-UID/RUN``: spools of a run on one host, named by key.

    Beside the spools it may hold the files ``.stop`` and ``.marks``, which other processes of the
    user leave there, ``door``, where they ring then, ``.NAME.part``, a copy that is not finished,
    and ``.claim`` (claim.py).
    ``elsewhere``: after ``open``, why another name than ``mpi_collector-UID`` is used, if it is.
    """

    __slots__ = ("elsewhere", "path", "run", "spool_dir")

    def __init__(self, spool_dir: str, run: str, key: str = "", path: str = "") -> None:
        """Find the directory of ``run`` that holds a spool of ``key``, if there is one already."""
        self.spool_dir = spool_dir
        self.run = run
        self.elsewhere = ""
        usual = os.path.join(spool_dir, user_directory(), run)
        self.path: str = path or next(
            (d for d in run_directories(spool_dir, run) if os.path.lexists(os.path.join(d, key))),
            usual,
        )

    @classmethod
    def of_spool(cls, path: str) -> "RunDirectory":
        """Return the directory that the spool at ``path`` lies in."""
        directory = os.path.dirname(path)
        user, run = os.path.split(directory)
        return cls(os.path.dirname(user), run, path=directory)

    @classmethod
    def all_in(cls, spool_dir: str) -> "list[RunDirectory]":
        """Return the run directories of this user in ``spool_dir``, by name."""
        found = [
            cls(spool_dir, os.path.basename(path), path=path)
            for user in user_directories(spool_dir)
            for path in _own_directories(user, _names(user))
        ]
        return sorted(found, key=lambda directory: (directory.run, directory.path))

    @property
    def stop_path(self) -> str:
        """Path of the file that asks the run to stop."""
        return os.path.join(self.path, _STOP)

    @property
    def door_path(self) -> str:
        """Path of the file with the address at which the run is told of a request."""
        return os.path.join(self.path, _DOOR)

    @property
    def marks_path(self) -> str:
        """Path of the file of marks."""
        return os.path.join(self.path, _MARKS)

    def spool_path(self, key: str) -> str:
        """Return the path of the spool of host ``key``."""
        return os.path.join(self.path, key)

    def spool_names(self) -> "list[str]":
        """Return the names of the spools, without files that are being written (a dot in front)."""
        names = [n for n in _names(self.path) if not n.startswith(".")]
        return [n for n in names if n != _DOOR or not _is_address(self.door_path)]

    def open(self) -> int:
        """Return a descriptor of the directory, made with mode 0700 if missing; follow no symlink.

        Where it or the user's directory belongs to somebody else, or others may enter it, another
        user's directory is made. SpoolError when ``spool_dir`` cannot be written.
        """
        first = os.path.dirname(self.path)
        usual = os.path.join(self.spool_dir, user_directory())
        why = ""
        for user in dict.fromkeys([first, usual] + user_directories(self.spool_dir)):
            try:
                return self._opened(user, why)
            except _UnfitError as e:
                why = why or str(e)
        try:
            return self._opened("%s-%s" % (usual, os.urandom(_SUFFIX_BYTES).hex()), why)
        except _UnfitError as e:  # no name will do
            raise SpoolError(why) from e

    def _opened(self, user: str, why: str) -> int:
        """Open the directory in ``user``. ``why``: what keeps from using the usual one."""
        for left in range(_TRIES, -1, -1):
            path = self.spool_dir
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                for name in (os.path.basename(user), self.run):
                    path = os.path.join(path, name)
                    fd = _enter(fd, name, path)
            except OSError as e:
                # a run that ended may have removed the user's directory after it was opened here
                if left and e.errno == errno.ENOENT and path != self.spool_dir:
                    continue
                unfit = path != self.spool_dir and e.errno in _UNFIT
                raise (_UnfitError if unfit else SpoolError)("%s: %s" % (path, e.strerror)) from e
            self.path = path
            if os.path.basename(user) != user_directory():
                self.elsewhere = why or "%s is another user's" % user_directory()
            return fd
        raise AssertionError("not reached")

    def unfinished(self) -> "list[str]":
        """Return the names of copies that are being written, or whose writer has died."""
        return [n for n in _names(self.path) if n.startswith(".") and n.endswith(_UNFINISHED)]

    def remove(self, name: str) -> None:
        """Remove the file ``name``, and the directory if it is empty then."""
        remove_spool(os.path.join(self.path, name))

    def discard(self, key: str) -> None:
        """Remove the spool of ``key``, and after the last one the directory and all in it."""
        remove_spool(self.spool_path(key))
        self.remove_if_empty()

    def remove_if_empty(self) -> bool:
        """Remove the directory and what lies beside spools, unless it holds one."""
        if self.spool_names():
            return False
        for name in _names(self.path):
            _unlink(os.path.join(self.path, name))
        _remove_empty(self.path)
        return not os.path.lexists(self.path)

    def remove_stop(self) -> None:
        """Remove the request to stop, if there is one."""
        _unlink(self.stop_path)

    def remove_marks(self) -> None:
        """Remove the file of marks, if there is one."""
        _unlink(self.marks_path)


def run_directories(spool_dir: str, run: str) -> "list[str]":
    """Return the directories of a run of this user in ``spool_dir``; one as a rule."""
    return [d for user in user_directories(spool_dir) for d in _own_directories(user, [run])]


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


def remove_spool(path: str) -> None:
    """Remove a spool, and the directories of its run and of the user if they are empty then."""
    _unlink(path)
    _remove_empty(os.path.dirname(path))


def _remove_empty(run: str) -> None:
    """Remove the directory of a run and that of the user if they are empty."""
    for directory in (run, os.path.dirname(run)):
        try:
            os.rmdir(directory)
        except OSError:  # gone already, or not empty
            pass


#: what a name gives that is a file, a symlink, or another user's
_UNFIT = (errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EEXIST)


class _UnfitError(SpoolError):
    """A directory of this name cannot hold this user's spools; one of another name can."""


def _names(path: str) -> "list[str]":
    """Return the names in a directory in order; none of a symlink or of what cannot be listed."""
    try:
        return sorted(os.listdir(path)) if not os.path.islink(path) else []
    except OSError:
        return []


def _is_address(path: str) -> bool:
    """Return whether a file begins like a JSON object, or is still empty: no spool does."""
    try:
        return read_own(path, 1) in (b"{", b"")
    except OSError:
        return False


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
        raise _UnfitError("%s: must belong to this user alone (owner and mode 0700)" % path)
    return inner


def _own_directories(parent: str, names: "list[str]") -> "list[str]":
    """Return the paths of the directories of this user among ``names``, symlinks left out."""
    found = []
    for name in names:
        path = os.path.join(parent, name)
        try:
            info = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid():
            found.append(path)
    return found
