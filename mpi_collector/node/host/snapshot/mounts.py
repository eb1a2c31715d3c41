"""Mounted file systems, and the room on those that hold directories of interest."""

from ..secrets import hide_in_settings
from . import proc
from .room import room_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from .document import Directory, Mount
    from .files import HostFiles

MAX_MOUNTS = 500
STATVFS_S = 2.0  #: for a file system to answer
_NO_REAL_FILES = frozenset(
    "proc sysfs cgroup cgroup2 devpts devtmpfs mqueue debugfs tracefs securityfs pstore bpf"
    " configfs fusectl hugetlbfs autofs binfmt_misc rpc_pipefs nsfs efivarfs selinuxfs".split()
)


def list_mounts(files: "HostFiles") -> "list[Mount]":
    """Return up to MAX_MOUNTS mounts without their secrets, those that hold real files first."""
    rows = proc.mounts(files.text("proc/mounts", note=True))
    rows.sort(key=lambda m: m["fs_type"] in _NO_REAL_FILES)
    if len(rows) > MAX_MOUNTS:
        files.errors["mounts"] = "%d of %d are here" % (MAX_MOUNTS, len(rows))
    for row in rows[:MAX_MOUNTS]:
        row["options"] = hide_in_settings(row["options"])
        row["device"] = hide_in_settings(row["device"])
    return rows[:MAX_MOUNTS]


def describe_directories(
    paths: "Sequence[str]", mounts: "list[Mount]", timeout_s: float = STATVFS_S
) -> "list[Directory]":
    """Return the mount of each directory and the free space there.

    Sizes are None, and ``error`` is set, if its file system does not answer within ``timeout_s``.
    """
    return [
        _described(path, mount_of(path, mounts), sizes or {}, error)
        for path, (sizes, error) in zip(paths, room_on(paths, timeout_s))
    ]


def _described(
    path: str, mount: "Mount | None", sizes: "dict[str, int]", error: "str | None"
) -> "Directory":
    return {
        "path": path,
        "mount_point": mount["mount_point"] if mount else None,
        "fs_type": mount["fs_type"] if mount else None,
        "options": mount["options"] if mount else None,
        "device": mount["device"] if mount else None,
        "size_bytes": sizes.get("size_bytes"),
        "free_bytes": sizes.get("free_bytes"),
        "inodes": sizes.get("inodes"),
        "inodes_free": sizes.get("inodes_free"),
        "error": error,
    }


def mount_of(path: str, mounts: "list[Mount]") -> "Mount | None":
    """Return the mount that holds ``path``: the deepest, of several on one directory the last."""
    found = None
    for mount in mounts:
        point = mount["mount_point"]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= len(found["mount_point"])):
            found = mount
    return found
