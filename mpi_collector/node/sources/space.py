"""Room on the local file systems that hold directories of the run (statvfs(3), /proc/mounts).

The directories are the results directory and those that COMMAND names. A file system on another
machine may not answer, and neither may a path that leads through one: those are left out. Their
room at the start and the end of a run is in the snapshots, where a process of its own asks for it.
"""

import os
import re

from ..compat import mono_ns
from ..host.snapshot import proc
from ..host.snapshot.mounts import mount_of
from ..read.kernel_file import read_whole
from ..read.reader import Reader
from ..row.layout import Field
from .base import ReaderSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional

    from ..host.snapshot.document import Mount

_LOCAL = frozenset(
    "ext2 ext3 ext4 xfs btrfs zfs f2fs jfs reiserfs bcachefs vfat exfat ntfs3 erofs squashfs"
    " iso9660 tmpfs ramfs devtmpfs overlay".split()
)
_ASK_NS = 10 * 10**9  #: it is asked so often, at most
_BLANK = re.compile(r"[\s\\]")


class Space(ReaderSource):
    """A device is a mount point. Values are up to ten seconds old."""

    name = "space"
    order = 19
    kernel_file = "statvfs(), /proc/mounts"
    doc = "room on the local file systems that hold the results and the job's data"
    budget_us = 5000
    fields = (
        Field("size_bytes", "bytes", "gauge", "size of the file system"),
        Field("used_bytes", "bytes", "gauge", "bytes in use"),
        Field("available_bytes", "bytes", "gauge", "bytes that users without privilege can have"),
        Field("inodes", "files", "gauge", "files that there can be; 0: no limit of its own"),
        Field("inodes_used", "files", "gauge", "files that there are"),
    )

    def reader(self, root: str) -> "SpaceReader":
        return SpaceReader(root, self.directories)

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


class SpaceReader(Reader):
    """Asks for the room now and then. FileNotFoundError when there is nothing to ask.

    ``directories``: absolute paths. ``clock``: monotonic nanoseconds.
    """

    def __init__(
        self, root: str, directories: "Sequence[str]", clock: "Callable[[], int]" = mono_ns
    ) -> None:
        super().__init__()
        self._root = root
        self._clock = clock
        mounts = proc.mounts(read_whole(root, "proc/mounts"))
        points = dict.fromkeys(_local_mount(path, mounts) for path in directories)
        #: {mount point: (number of its file system, name of the device)}
        self._points = {
            point: (self._number(point), _BLANK.sub(_octal, point)) for point in points if point
        }
        if not self._points:
            raise FileNotFoundError(2, "no directory of the run is on a local file system")
        self._text = b""
        self._asked_ns = 0

    def read(self) -> bytes:
        """Return ``device field value`` lines."""
        now = self._clock()
        if not self._text or now - self._asked_ns >= _ASK_NS:
            self._asked_ns = now
            self._text = "\n".join(
                [line for point in self._points for line in self._lines(point)]
            ).encode("utf-8", "backslashreplace")
        return self._text

    def _lines(self, point: str) -> "list[str]":
        number, name = self._points[point]
        if number is None or self._number(point) != number:
            return []  # it is not mounted any more, or something else is
        try:
            room = os.statvfs(self._at(point))
        except OSError:
            return []
        values = {
            "size_bytes": room.f_blocks * room.f_frsize,
            "used_bytes": (room.f_blocks - room.f_bfree) * room.f_frsize,
            "available_bytes": room.f_bavail * room.f_frsize,
            "inodes": room.f_files,
            "inodes_used": room.f_files - room.f_ffree,
        }
        return ["%s %s %d" % (name, field, value) for field, value in values.items()]

    def _number(self, point: str) -> "Optional[int]":
        """Return the number of the file system that is mounted there, None when it is gone."""
        try:
            return os.stat(self._at(point)).st_dev
        except OSError:
            return None

    def _at(self, point: str) -> str:
        return os.path.join(self._root, point.lstrip("/"))

    def close(self) -> None:
        """Close nothing: a file that is open would keep a file system from being unmounted."""


def _local_mount(path: str, mounts: "list[Mount]") -> str:
    """Return where the file system of ``path`` is mounted; "" unless all on the way are local."""
    found = mount_of(path, mounts)
    if found is None:
        return ""
    point = found["mount_point"]
    above = point
    while True:
        mount = mount_of(above, mounts)
        if mount is None or mount["fs_type"] not in _LOCAL:
            return ""
        if above == "/":
            return point
        above = os.path.dirname(above)


def _octal(match: "re.Match[str]") -> str:
    return "\\%03o" % ord(match.group())
