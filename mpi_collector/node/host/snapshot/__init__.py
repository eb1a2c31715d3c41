"""What a host is and how it stands: taken at the start and at the end of a run, the same keys on every host.

Values are taken by allow-list, never by prefix of what may hold a secret; what could not be read is in ``errors``.
"""

import os
import socket
import sys
import threading
import time

from ...compat import wall_ns
from ..secrets import hide_in_settings
from . import devices, proc, system
from .files import HostFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

_MOUNTS_MAX = 500
_STATVFS_S = 2.0
_NO_REAL_FILES = frozenset(
    "proc sysfs cgroup cgroup2 devpts devtmpfs mqueue debugfs tracefs securityfs pstore bpf configfs fusectl "
    "hugetlbfs autofs binfmt_misc rpc_pipefs nsfs efivarfs selinuxfs".split()
)


def take(directories: "Sequence[str]" = (), root: str = "/", full: bool = False) -> dict:
    """The snapshot of this host as JSON-able data. Never raises; the keys are always the same.

    ``directories``: whose mounts and free space are told (a file system that hangs costs two seconds). ``full``: one
    entry of ``cpuinfo`` per logical CPU. Sizes in bytes where the name says so, ``meminfo`` in kB as printed.
    """
    files = HostFiles(root)
    now = wall_ns()
    cpus = proc.cpuinfo(files.text("proc/cpuinfo", note=True))
    out: dict = {
        "hostname": socket.gethostname(),
        "collection_timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now // 10**9)),
        "timestamp_ns": now,
        "cpuinfo": cpus if full else [],
        "mounts": _mounts(files),
    }
    for name, (path, parse) in _TEXTS.items():
        out[name] = parse(files.text(path, note=True))
    parts = dict(_PARTS, cpu=lambda _files: system.cpu(files, cpus))
    parts["directories"] = lambda _files: [_directory(d, out["mounts"]) for d in directories]
    for name in sorted(parts):
        out[name] = _part(files, name, parts[name])
    out["errors"] = files.errors
    return out


#: name: where it is and what reads it
_TEXTS: dict = {
    "meminfo": ("proc/meminfo", proc.meminfo),
    "diskstats": ("proc/diskstats", proc.diskstats),
    "netdev": ("proc/net/dev", proc.netdev),
    "version": ("proc/version", proc.version),
    "loadavg": ("proc/loadavg", proc.loadavg),
    "uptime_seconds": ("proc/uptime", proc.uptime),
    "vmstat": ("proc/vmstat", proc.vmstat),
}
_PARTS: dict = {
    "cgroups": lambda files: proc.cgroups(files.text("proc/cgroups")),
    "os_release": lambda files: proc.os_release(
        files.text("etc/os-release") or files.text("usr/lib/os-release", note=True)
    ),
    "transparent_hugepage": lambda files: devices.chosen(
        files.word("sys/kernel/mm/transparent_hugepage/enabled")
    ),
    "environment": lambda files: system.environment(os.environ),
    "python": lambda files: {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable or None,
    },
    "numa": system.numa,
    "nics": devices.nics,
    "infiniband": devices.infiniband,
    "drives": devices.drives,
    "block_topology": devices.block_topology,
    "net_topology": devices.net_topology,
    "chassis": system.chassis,
    "sysctls": system.sysctls,
    "kernel_cmdline": system.kernel_cmdline,
    "cgroup_limits": system.cgroup_limits,
    "limits": lambda files: system.limits(),
}


def topology(snapshot: dict) -> dict:
    """{"block": ..., "net": ...} of a snapshot: which devices count in totals."""
    return {"block": snapshot["block_topology"] or {}, "net": snapshot["net_topology"] or {}}


def _part(files: "HostFiles", name: str, part: "Any") -> "Any":
    try:
        return part(files)
    except Exception as e:  # noqa: BLE001 - one strange host must not lose the other parts
        files.errors[name] = "%s: %s" % (type(e).__name__, e)
        return None


def _mounts(files: "HostFiles") -> list:
    """Mounts that hold files, then the others, bounded in number; no secret of their options."""
    rows = proc.mounts(files.text("proc/mounts", note=True))
    rows.sort(key=lambda m: m["fs_type"] in _NO_REAL_FILES)
    if len(rows) > _MOUNTS_MAX:
        files.errors["mounts"] = "%d of %d are here" % (_MOUNTS_MAX, len(rows))
    for row in rows[:_MOUNTS_MAX]:
        row["options"] = hide_in_settings(row["options"])
        row["device"] = hide_in_settings(row["device"])
    return rows[:_MOUNTS_MAX]


def _directory(path: str, mounts: list) -> dict:
    """Where a directory lies and what is free there; the numbers are None when its file system does not answer."""
    out: dict = {
        "path": path,
        "mount_point": None,
        "fs_type": None,
        "options": None,
        "device": None,
        "size_bytes": None,
        "free_bytes": None,
        "inodes": None,
        "inodes_free": None,
        "error": None,
    }
    best = [
        m
        for m in mounts
        if path == m["mount_point"] or path.startswith(m["mount_point"].rstrip("/") + "/")
    ]
    if best:
        longest = max(len(m["mount_point"]) for m in best)
        mount = [m for m in best if len(m["mount_point"]) == longest][
            -1
        ]  # the last one hides the others
        out.update({k: mount[k] for k in ("mount_point", "fs_type", "options", "device")})

    def ask() -> None:
        try:
            room = os.statvfs(path)
            out.update(size_bytes=room.f_blocks * room.f_frsize, free_bytes=room.f_bavail * room.f_frsize,
                       inodes=room.f_files, inodes_free=room.f_ffree)  # fmt: skip
        except OSError as e:
            out["error"] = e.strerror
        asked.set()

    asked = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    if not asked.wait(_STATVFS_S):
        return dict(out, error="does not answer")
    return out
