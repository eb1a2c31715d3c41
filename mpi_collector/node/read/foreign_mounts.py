"""Mounts below /proc and /sys whose files a process answers for, not the kernel.

In containers lxcfs (FUSE) shows its own /proc/meminfo, for example. Such a file may hang for good:
already a stat(2) of it, and the end of every process that has it open.
"""

import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")

#: types of file systems whose files are made by the kernel, or lie in memory
_OF_THE_KERNEL = frozenset(
    "proc sysfs cgroup cgroup2 tmpfs ramfs devtmpfs devpts mqueue debugfs tracefs securityfs pstore"
    " bpf configfs fusectl hugetlbfs autofs binfmt_misc rpc_pipefs nsfs nfsd efivarfs selinuxfs"
    " xenfs resctrl functionfs smackfs".split()
)
_PLACES = ("proc", "sys")
_PATIENCE_S = 2.0  #: for all files on such mounts that are read at one moment


def foreign_mounts(root: str = "/", table: str = "/proc/self/mountinfo") -> "list[str]":
    """Return the mount points of other file systems in proc and sys below ``root``.

    Only the table of mounts is read: nothing is asked of the file systems.
    """
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as f:
            lines = f.read().split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        words, _, rest = line.partition(" - ")
        fields = words.split(" ")
        if len(fields) < 5 or not rest or rest.split(" ")[0] in _OF_THE_KERNEL:
            continue
        point = _unescaped(fields[4])
        if any(_is_in(point, os.path.join(root, place)) for place in _PLACES):
            found.append(point)
    return found


def may_lie_on(location: str, root: str, mounts: "Iterable[str]") -> bool:
    """Return whether a file of a source may be on one of ``mounts``.

    ``location``: as ``Source.location`` has it. What is in /sys may be a symlink to anywhere there.
    """
    places = [word for word in re.split("[ ,;]+", location) if word.startswith(("/proc", "/sys"))]
    if not places:
        return any(True for _ in mounts)
    for place in places:
        start = (
            "sys" if place.startswith("/sys") else re.split("[*{]|PID", place[1:])[0].rstrip("/")
        )
        path = os.path.join(root, start)
        if any(_is_in(path, point) or _is_in(point, path) for point in mounts):
            return True
    return False


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    for number in (0o40, 0o11, 0o12, 0o134):  # proc(5): blank, tab, newline, backslash
        text = text.replace("\\%03o" % number, chr(number))
    return text


class Patience:
    """The time that files on ``mounts`` have together: when one hangs, the others probably do."""

    def __init__(
        self,
        mounts: "Iterable[str]",
        seconds: float = _PATIENCE_S,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self.mounts = list(mounts)
        self._clock = clock
        self._until = clock() + seconds

    def left_s(self) -> float:
        """Return the seconds that are left, a tenth at least."""
        return max(self._until - self._clock(), 0.1)
