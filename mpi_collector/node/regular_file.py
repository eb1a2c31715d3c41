"""Open files in directories where other users may have put anything under the name.

Opening a pipe would block, a symlink may lead anywhere, a file may have any size, and what another
user wrote is not what a run of this user left. All is checked on the open descriptor, not on the
name.
"""

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection, Union

    Path = Union[str, "os.PathLike[str]"]


def open_regular(path: "Path", flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Return a descriptor of a regular file. OSError when there is none, or something else."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def open_own(
    path: "Path", flags: int = os.O_RDONLY, mode: int = 0o600, owners: "Collection[int]" = ()
) -> int:
    """Return a descriptor of a regular file of this user or of root; no symlink is followed.

    ``owners``: further user ids that are trusted. OSError when there is none, or it belongs to
    somebody else.
    """
    try:
        fd = open_regular(path, flags | os.O_NOFOLLOW, mode)
    except OSError as e:
        # the kernel may refuse it in other words (protected_regular, protected_fifos; proc(5))
        if e.errno != errno.ENOENT and _is_foreign(path, owners):
            raise OSError(e.errno, "belongs to another user", str(path)) from e
        raise
    if not _is_trusted(os.fstat(fd), owners):
        os.close(fd)
        raise OSError(errno.EPERM, "belongs to another user", str(path))
    return fd


def read_own(path: "Path", most: int, owners: "Collection[int]" = ()) -> bytes:
    """Return the first ``most`` bytes of a file. OSError as ``open_own``."""
    with os.fdopen(open_own(path, owners=owners), "rb") as f:
        return f.read(most)


def read_whole(path: "Path", most: int) -> bytes:
    """Return the content of a regular file. OSError when it has more than ``most`` bytes."""
    with os.fdopen(open_regular(path), "rb") as f:
        data = f.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def is_own(path: "Path", owners: "Collection[int]" = ()) -> bool:
    """Return whether a regular file of this user or of root has this name."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and _is_trusted(info, owners)


def _is_foreign(path: "Path", owners: "Collection[int]") -> bool:
    try:
        return not _is_trusted(os.lstat(path), owners)
    except OSError:
        return False


def _is_trusted(info: os.stat_result, owners: "Collection[int]") -> bool:
    return info.st_uid in (os.geteuid(), 0) or info.st_uid in owners


def owners_in(directory: "Path") -> "set[int] | None":
    """Return the user ids whose files in a directory count; None: everybody's.

    Where anyone may write, only those of this user, of root and of the directory's owner do.
    OSError when it cannot be looked at.
    """
    info = os.stat(directory)
    return {os.geteuid(), 0, info.st_uid} if info.st_mode & stat.S_IWOTH else None
