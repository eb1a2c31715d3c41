"""Open files in directories where other users may have put anything under the name.

Opening a pipe would block, a symlink may lead anywhere, and what somebody else wrote is not what a
run of this user left. All is checked on the open descriptor, not on the name.
"""

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Path = Union[str, "os.PathLike[str]"]


def open_regular(path: "Path", flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Return a descriptor of a regular file. OSError when there is none, or something else."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def open_own(path: "Path", flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Return a descriptor of a regular file of this user; no symlink is followed.

    OSError when there is none, or it belongs to somebody else.
    """
    fd = open_regular(path, flags | os.O_NOFOLLOW, mode)
    if os.fstat(fd).st_uid != os.getuid():
        os.close(fd)
        raise OSError(errno.EPERM, "belongs to another user", str(path))
    return fd


def read_own(path: "Path", most: int) -> bytes:
    """Return the first ``most`` bytes of a regular file of this user. OSError as ``open_own``."""
    fd = open_own(path)
    try:
        out = b""
        while len(out) < most:
            data = os.read(fd, most - len(out))
            if not data:
                break
            out += data
        return out
    finally:
        os.close(fd)


def is_own(path: "Path") -> bool:
    """Return whether a regular file of this user has this name."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.getuid()
