"""Mounted file systems, and the room on those that hold directories of interest."""

import os
import threading

from ..secrets import hide_in_settings
from . import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def describe_directory(
    path: str, mounts: "list[Mount]", timeout_s: float = STATVFS_S
) -> "Directory":
    """Return the mount of a directory and the free space there.

    Sizes are None, and ``error`` is set, if its file system does not answer within ``timeout_s``.
    """
    mount = mount_of(path, mounts)
    out: "Directory" = {
        "path": path,
        "mount_point": mount["mount_point"] if mount else None,
        "fs_type": mount["fs_type"] if mount else None,
        "options": mount["options"] if mount else None,
        "device": mount["device"] if mount else None,
        "size_bytes": None,
        "free_bytes": None,
        "inodes": None,
        "inodes_free": None,
        "error": None,
    }
    room, out["error"] = _statvfs(path, timeout_s)
    if room is not None:
        out["size_bytes"] = room.f_blocks * room.f_frsize
        out["free_bytes"] = room.f_bavail * room.f_frsize
        out["inodes"] = room.f_files
        out["inodes_free"] = room.f_ffree
    return out


def _statvfs(path: str, timeout_s: float) -> "tuple[os.statvfs_result | None, str | None]":
    """Return (result, None) or (None, why there is none). Asked in a thread, since it may hang."""
    answered = threading.Event()
    room: "list[os.statvfs_result]" = []
    errors: "list[str | None]" = []

    def ask() -> None:
        try:
            room.append(os.statvfs(path))
        except OSError as e:
            errors.append(e.strerror)
        answered.set()

    threading.Thread(target=ask, daemon=True).start()
    if not answered.wait(timeout_s):
        return None, "does not answer"
    return (None, errors[0]) if errors else (room[0], None)


def mount_of(path: str, mounts: "list[Mount]") -> "Mount | None":
    """Return the mount that holds ``path``: the deepest, of several on one directory the last."""
    found = None
    for mount in mounts:
        point = mount["mount_point"]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= len(found["mount_point"])):
            found = mount
    return found
