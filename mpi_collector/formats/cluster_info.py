"""``ClusterInformation`` from snapshots: the suite's keys and types, with what else is known under keys of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mpi_collector.formats.host_changes import differing

_MEMORY = {"total": "MemTotal", "available": "MemAvailable", "free": "MemFree", "active": "Active", "inactive": "Inactive",
           "buffers": "Buffers", "cached": "Cached", "shared": "Shmem"}  # fmt: skip
#: of a snapshot, kept under its own name beside the suite's keys
_OURS = ("vmstat", "mounts", "cgroups", "numa", "nics", "infiniband", "drives", "chassis", "sysctls", "transparent_hugepage",
         "kernel_cmdline", "cgroup_limits", "limits", "directories", "environment", "python", "errors")  # fmt: skip
_MEMORY_SPREAD = 0.1


def memory(meminfo: Mapping[str, int]) -> dict[str, int]:
    """Bytes of what /proc/meminfo prints in kB; used = total - free - buffers - cached. A key that is missing is 0."""
    out = {ours: int(meminfo.get(name, 0)) * 1024 for ours, name in _MEMORY.items()}
    used = out["total"] - out["free"] - out["buffers"] - out["cached"]
    return {
        "total": out.pop("total"),
        "available": out.pop("available"),
        "used": max(used, 0),
        **out,
    }


def host_information(snapshot: Mapping[str, Any], hostname: str | None = None) -> dict[str, Any]:
    """One host of ``ClusterInformation``; ``hostname``: the name it is known by in the run."""
    name = hostname or snapshot["hostname"]
    cpu, load = snapshot.get("cpu") or {}, snapshot.get("loadavg") or {}
    return {
        "hostname": name,
        "memory": memory(snapshot.get("meminfo") or {}),
        "collection_timestamp": snapshot.get("collection_timestamp"),
        "cpu": {**cpu, "num_cores": cpu.get("num_cores", 0), "num_logical_cores": cpu.get("num_logical_cores", 0),
                "model": cpu.get("model", ""), "architecture": cpu.get("architecture", "")},
        "num_sockets": cpu.get("num_sockets", 0),
        "disks": snapshot.get("diskstats") or [],
        "network": snapshot.get("netdev") or [],
        "system": {
            "hostname": snapshot.get("hostname", name),
            "kernel_version": snapshot.get("version", ""),
            "os_release": snapshot.get("os_release") or {},
            "uptime_seconds": snapshot.get("uptime_seconds"),
            "load_average_1min": load.get("load_1min"),
            "load_average_5min": load.get("load_5min"),
            "load_average_15min": load.get("load_15min"),
            "running_processes": load.get("running_processes"),
            "total_processes": load.get("total_processes"),
        },
        **{key: snapshot[key] for key in _OURS if key in snapshot},
    }  # fmt: skip


def cluster_information(
    snapshots: Mapping[str, Mapping[str, Any]],
    errors: Mapping[str, str] | None = None,
    method: str = "",
    timestamp: str | None = None,
    extra_issues: Iterable[str] = (),
) -> dict[str, Any]:
    """``ClusterInformation`` as a dict. A host in ``errors`` is listed with its error and not counted in the totals."""
    hosts = [host_information(s, name) for name, s in snapshots.items()]
    broken = [
        {"hostname": name, "error": why}
        for name, why in (errors or {}).items()
        if name not in snapshots
    ]
    return {**summed(hosts, method, timestamp, extra_issues), "hosts": hosts + broken}


def summed(
    hosts: list[dict[str, Any]],
    method: str,
    timestamp: str | None = None,
    extra_issues: Iterable[str] = (),
) -> dict[str, Any]:
    """ClusterInformation without its hosts; of those, which all answered, their ``essence`` is enough."""
    out = totals(hosts, method, timestamp)
    issues = [*consistency_issues(hosts), *extra_issues]
    if issues:
        out["host_consistency_issues"] = issues
    return out


def essence(host: Mapping[str, Any]) -> dict[str, Any]:
    """What ``totals`` and ``consistency_issues`` look at."""
    system = host["system"]
    return {
        "memory": {"total": host["memory"]["total"]},
        "cpu": {"num_cores": host["cpu"]["num_cores"]},
        "system": {k: system[k] for k in ("os_release", "kernel_version")},
        "collection_timestamp": host["collection_timestamp"],
    }


def totals(hosts: list[dict[str, Any]], method: str, timestamp: str | None) -> dict[str, Any]:
    """The sums over ``hosts``, all of which answered."""
    sizes = [h["memory"]["total"] for h in hosts]
    return {
        "total_memory_bytes": sum(sizes),
        "total_cores": sum(h["cpu"]["num_cores"] for h in hosts),
        "num_hosts": len(hosts),
        "min_memory_bytes": min(sizes, default=0),
        "max_memory_bytes": max(sizes, default=0),
        "collection_method": method,
        "collection_timestamp": timestamp or next((h["collection_timestamp"] for h in hosts), None),
    }


def consistency_issues(hosts: list[dict[str, Any]]) -> list[str]:
    """What differs between hosts that should be alike: memory by more than 10 %, cores, operating system, kernel."""
    issues = []
    sizes = {h["hostname"]: h["memory"]["total"] for h in hosts}
    if sizes and max(sizes.values()) > (1 + _MEMORY_SPREAD) * min(sizes.values()):
        low, high = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        shown = f"{low} has {sizes[low] / 2**30:.1f} GiB, {high} {sizes[high] / 2**30:.1f} GiB"
        issues.append(f"memory differs by more than 10 %: {shown}")
    for what, value in (
        ("core count", lambda h: h["cpu"]["num_cores"]),
        ("operating system version", lambda h: h["system"]["os_release"].get("VERSION_ID")),
        ("kernel release", lambda h: kernel_release(h["system"]["kernel_version"])),
    ):
        issues += differing(what, {h["hostname"]: value(h) for h in hosts})
    return issues


def kernel_release(version: str) -> str | None:
    """``5.14.0-427.el9.x86_64`` of a /proc/version line."""
    match = re.match(r"Linux version (\S+)", version)
    return match[1] if match else None
