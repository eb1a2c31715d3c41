"""``*_cluster_info.json``: what the hosts of a run are, at its start and at its end.

``ClusterInformation`` and its parts have the suite's keys and types. What else a snapshot knows of
a host stands beside them under keys that the suite does not use, and its readers ignore.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from mpi_collector.formats.host_consistency import differing
from mpi_collector.formats.suite_host import (
    RENAMED,
    Drive,
    Port,
    Setting,
    SuiteHost,
    collected_data,
)


class MemoryInformation(TypedDict):
    """Bytes. ``used`` = total - free - buffers - cached; a line that /proc/meminfo lacks is 0."""

    total: int
    available: int
    used: int
    free: int
    active: int
    inactive: int
    buffers: int
    cached: int
    shared: int


class CpuInformation(TypedDict):
    """The snapshot's ``cpu``, of which these keys are always there."""

    num_cores: int  #: physical, of all sockets
    num_logical_cores: int
    model: str
    architecture: str


class SystemInformation(TypedDict):
    """What is known of the operating system; None: not known."""

    hostname: str  #: the host's own name
    kernel_version: str  #: the line of /proc/version
    os_release: dict[str, str]  #: os-release(5)
    uptime_seconds: float | None
    load_average_1min: float | None
    load_average_5min: float | None
    load_average_15min: float | None
    running_processes: int | None
    total_processes: int | None


class _AnyHost(TypedDict):
    hostname: str  #: key of the host in the run


class HostInformation(_AnyHost, total=False):
    """One host. A host without a snapshot has ``hostname`` and ``error`` only.

    Further keys are those of ``_OWN_KEYS``, as the snapshot has them.
    """

    memory: MemoryInformation
    collection_timestamp: str | None  #: UTC, whole seconds
    cpu: CpuInformation
    num_sockets: int
    disks: list[dict[str, Any]]  #: a row for each line of /proc/diskstats
    network: list[dict[str, Any]]  #: a row for each line of /proc/net/dev
    system: SystemInformation
    chassis_model: str  #: this and the next four: ``suite_host.SuiteHost``
    networking: list[Port]
    sysctl: list[Setting]
    environment: list[Setting]
    drives: list[Drive]
    error: str


class ClusterTotals(TypedDict):
    """Sums over the hosts with a snapshot."""

    total_memory_bytes: int
    total_cores: int  #: physical
    num_hosts: int
    min_memory_bytes: int
    max_memory_bytes: int
    collection_method: str
    collection_timestamp: str | None  #: of the first host


class ClusterSummary(ClusterTotals, total=False):
    """``ClusterInformation`` without its hosts."""

    host_consistency_issues: list[str]  #: absent when hosts that should be alike are


class ClusterInformation(ClusterSummary):
    """All hosts at one moment: those with a snapshot, then those without."""

    hosts: list[HostInformation]


class ReferringInformation(ClusterInformation):
    """The same of hosts that are described elsewhere: see ``host_difference``."""

    hosts_refer_to: str  #: key of that list in this document, or ``file: key``


class ClusterSnapshots(TypedDict):
    """The hosts at the start and at the end of a run."""

    start: ReferringInformation
    end: ReferringInformation
    collection_method: str


class ClusterInfoDocument(ClusterInformation):
    """The whole of ``*_cluster_info.json``: the hosts at the start, and what became of them."""

    cluster_snapshots: ClusterSnapshots
    changes: dict[str, list[str]]  #: key -> what changed during the run (``host_changes``)


class ComparedHost(TypedDict):
    """The parts of a ``HostInformation`` that totals and consistency need."""

    memory: Mapping[str, int]  #: total
    cpu: Mapping[str, int]  #: num_cores
    system: Mapping[str, Any]  #: os_release, kernel_version
    collection_timestamp: str | None


#: lines of /proc/meminfo, in kB
_MEMINFO_LINES = {
    "total": "MemTotal",
    "available": "MemAvailable",
    "free": "MemFree",
    "active": "Active",
    "inactive": "Inactive",
    "buffers": "Buffers",
    "cached": "Cached",
    "shared": "Shmem",
}
#: parts of a snapshot that stand beside the suite's keys
_OWN_KEYS = (
    "vmstat",
    "mounts",
    "cgroups",
    "numa",
    "nics",
    "infiniband",
    RENAMED["drives"],
    "chassis",
    "sysctls",
    "transparent_hugepage",
    "kernel_cmdline",
    "cgroup_limits",
    "limits",
    "directories",
    RENAMED["environment"],
    "python",
    "errors",
)
_MEMORY_SPREAD = 0.1


def memory_information(meminfo: Mapping[str, int]) -> MemoryInformation:
    """Return bytes from the numbers that /proc/meminfo prints in kB."""
    size = {name: int(meminfo.get(line, 0)) * 1024 for name, line in _MEMINFO_LINES.items()}
    used = size["total"] - size["free"] - size["buffers"] - size["cached"]
    return {
        "total": size["total"],
        "available": size["available"],
        "used": max(used, 0),
        "free": size["free"],
        "active": size["active"],
        "inactive": size["inactive"],
        "buffers": size["buffers"],
        "cached": size["cached"],
        "shared": size["shared"],
    }


def host_information(snapshot: Mapping[str, Any], key: str | None = None) -> HostInformation:
    """Return the information on one host; ``key``: its name in the run.

    snapshot: ours, or what the suite's collectors return of a host.
    """
    data = collected_data(snapshot)
    name = key or data["hostname"]
    cpu = data.get("cpu") or {}
    cpu_information: CpuInformation = {
        **cpu,
        "num_cores": cpu.get("num_cores", 0),
        "num_logical_cores": cpu.get("num_logical_cores", 0),
        "model": cpu.get("model", ""),
        "architecture": cpu.get("architecture", ""),
    }
    host: HostInformation = {
        "hostname": name,
        "memory": memory_information(data.get("meminfo") or {}),
        "collection_timestamp": data.get("collection_timestamp"),
        "cpu": cpu_information,
        "num_sockets": cpu.get("num_sockets", 0),
        "disks": data.get("diskstats") or [],
        "network": data.get("netdev") or [],
        "system": _system_information(data, name),
    }
    suite = {part: data[part] for part in SuiteHost.__annotations__ if part in data}
    own = {part: data[part] for part in _OWN_KEYS if part in data}
    return cast(HostInformation, {**host, **suite, **own})


def _system_information(data: Mapping[str, Any], name: str) -> SystemInformation:
    load = data.get("loadavg") or {}
    return {
        "hostname": data.get("hostname", name),
        "kernel_version": data.get("version", ""),
        "os_release": data.get("os_release") or {},
        "uptime_seconds": data.get("uptime_seconds"),
        "load_average_1min": load.get("load_1min"),
        "load_average_5min": load.get("load_5min"),
        "load_average_15min": load.get("load_15min"),
        "running_processes": load.get("running_processes"),
        "total_processes": load.get("total_processes"),
    }


def compared_parts(host: HostInformation) -> ComparedHost:
    """Return what ``cluster_summary`` needs of a host, which is little: there may be thousands."""
    system = host["system"]
    return {
        "memory": {"total": host["memory"]["total"]},
        "cpu": {"num_cores": host["cpu"]["num_cores"]},
        "system": {
            "os_release": system["os_release"],
            "kernel_version": system["kernel_version"],
        },
        "collection_timestamp": host["collection_timestamp"],
    }


def cluster_summary(
    hosts: Mapping[str, ComparedHost], method: str, further_issues: Iterable[str] = ()
) -> ClusterSummary:
    """Return ``ClusterInformation`` without its hosts. ``hosts``: those with a snapshot, by key."""
    totals = cluster_totals(list(hosts.values()), method)
    issues = [*consistency_issues(hosts), *further_issues]
    return cast(ClusterSummary, {**totals, "host_consistency_issues": issues} if issues else totals)


def cluster_totals(hosts: Sequence[ComparedHost], method: str) -> ClusterTotals:
    """Return the sums over ``hosts``, all of which have a snapshot."""
    sizes = [h["memory"]["total"] for h in hosts]
    return {
        "total_memory_bytes": sum(sizes),
        "total_cores": sum(h["cpu"]["num_cores"] for h in hosts),
        "num_hosts": len(hosts),
        "min_memory_bytes": min(sizes, default=0),
        "max_memory_bytes": max(sizes, default=0),
        "collection_method": method,
        "collection_timestamp": next((h["collection_timestamp"] for h in hosts), None),
    }


def consistency_issues(hosts: Mapping[str, ComparedHost]) -> list[str]:
    """Return what differs between hosts that should be alike, one line a difference.

    Compared: memory (more than 10 %), physical cores, OS version, kernel release.
    """
    issues = []
    sizes = {key: h["memory"]["total"] for key, h in hosts.items()}
    if sizes and max(sizes.values()) > (1 + _MEMORY_SPREAD) * min(sizes.values()):
        low = min(sizes, key=sizes.__getitem__)
        high = max(sizes, key=sizes.__getitem__)
        shown = f"{low} has {sizes[low] / 2**30:.1f} GiB, {high} {sizes[high] / 2**30:.1f} GiB"
        issues.append(f"memory differs by more than 10 %: {shown}")
    for what, value_of in _COMPARED:
        issues += differing(what, {key: value_of(h) for key, h in hosts.items()})
    return issues


def kernel_release(version: str) -> str | None:
    """Return ``5.14.0-427.el9.x86_64`` of a line of /proc/version, None when it is none."""
    match = re.match(r"Linux version (\S+)", version)
    return match[1] if match else None


_COMPARED: tuple[tuple[str, Callable[[ComparedHost], object]], ...] = (
    ("core count", lambda h: h["cpu"]["num_cores"]),
    ("operating system version", lambda h: h["system"]["os_release"].get("VERSION_ID")),
    ("kernel release", lambda h: kernel_release(h["system"]["kernel_version"])),
)
