"""The snapshot of a host: its hardware, settings and state at the start and end of a run.

The keys are the same on every host; ``document.Snapshot`` lists them. Of settings that might hold a
secret only those on an allow-list are taken.
"""

import os
import socket
import sys
import time

from ...compat import wall_ns
from . import devices, proc, system
from .cgroup import cgroup_limits
from .cpus import list_cpus
from .environment import environment
from .files import HostFiles
from .mounts import describe_directories, list_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, TypeVar

    from .document import Python, Snapshot

    T = TypeVar("T")


def take(directories: "Sequence[str]" = (), root: str = "/", full: bool = False) -> "Snapshot":
    """Return the snapshot of this host as JSON values.

    Never raises: a part that cannot be read is None or empty.
    directories: their mounts and free space are described; one on a file system that does not
    answer costs two seconds. root: directory below which proc, sys and etc are read, for tests.
    full: fill ``cpuinfo``, one entry per logical CPU.
    """
    files = HostFiles(root)
    now = wall_ns()
    cpus = list_cpus(files)
    mounts = list_mounts(files)

    def part(name: str, read: "Callable[[], T]") -> "T | None":
        """Return a part of the snapshot; None, and an entry in ``errors``, if reading it fails."""
        try:
            return read()
        except Exception as e:  # noqa: BLE001 - the other parts must not be lost
            files.errors[name] = "%s: %s" % (type(e).__name__, e)
            return None

    return {
        "hostname": socket.gethostname(),
        "collection_timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now // 10**9)),
        "timestamp_ns": now,
        "cpuinfo": cpus if full else [],
        "mounts": mounts,
        "meminfo": proc.meminfo(files.text("proc/meminfo", note=True)),
        "diskstats": proc.diskstats(files.text("proc/diskstats", note=True)),
        "netdev": proc.netdev(files.text("proc/net/dev", note=True)),
        "version": proc.version(files.text("proc/version", note=True)),
        "loadavg": proc.loadavg(files.text("proc/loadavg", note=True)),
        "uptime_seconds": proc.uptime(files.text("proc/uptime", note=True)),
        "vmstat": proc.vmstat(files.text("proc/vmstat", note=True)),
        "block_topology": part("block_topology", lambda: devices.block_topology(files)),
        "cgroup_limits": part("cgroup_limits", lambda: cgroup_limits(files)),
        "cgroups": part("cgroups", lambda: proc.cgroups(files.text("proc/cgroups"))),
        "chassis": part("chassis", lambda: system.chassis(files)),
        "cpu": part("cpu", lambda: system.cpu(files, cpus)),
        "directories": part("directories", lambda: describe_directories(directories, mounts)),
        "drives": part("drives", lambda: devices.drives(files)),
        "environment": part("environment", lambda: environment(os.environ)),
        "infiniband": part("infiniband", lambda: devices.infiniband(files)),
        "kernel_cmdline": part("kernel_cmdline", lambda: system.kernel_cmdline(files)),
        "limits": part("limits", system.limits),
        "net_topology": part("net_topology", lambda: devices.net_topology(files)),
        "nics": part("nics", lambda: devices.nics(files)),
        "numa": part("numa", lambda: system.numa(files)),
        "os_release": part("os_release", lambda: _os_release(files)),
        "python": part("python", _python),
        "sysctls": part("sysctls", lambda: system.sysctls(files)),
        "transparent_hugepage": part(
            "transparent_hugepage", lambda: system.transparent_hugepage(files)
        ),
        "errors": files.errors,
    }


def topology(snapshot: "Snapshot") -> "dict[str, dict[str, Any]]":
    """Return {"block": {device: BlockFacts}, "net": {interface: NetFacts}}, of the start.

    By these, readers of the recording decide which devices a total counts.
    """
    return {
        "block": dict(snapshot["block_topology"] or {}),
        "net": dict(snapshot["net_topology"] or {}),
    }


def facts_of_device(root: str, source: str, name: str) -> "dict[str, Any] | None":
    """Return what sysfs says of a device of a source now, as in ``topology``; None if nothing."""
    files = HostFiles(root)
    if source == "diskstats":
        block = devices.block_device(files, name)
        return None if block is None else dict(block)
    net = devices.net_device(files, name) if source == "netdev" else None
    return None if net is None else dict(net)


def _os_release(files: "HostFiles") -> "dict[str, str]":
    text = files.text("etc/os-release") or files.text("usr/lib/os-release", note=True)
    return proc.os_release(text)


def _python() -> "Python":
    return {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable or None,
    }
