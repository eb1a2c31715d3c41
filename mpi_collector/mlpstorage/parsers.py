"""The suite's parsers, with the suite's names and types, on top of our own."""

from __future__ import annotations

import re
from typing import Any

from mpi_collector.formats.suite_host import collected_data
from mpi_collector.mlpstorage.rows import CgroupInfo, HostDiskInfo, HostNetworkInfo, MountInfo
from mpi_collector.node.host.snapshot import proc, take
from mpi_collector.node.host.snapshot.sample import one_sample


def parse_proc_meminfo(content: str) -> dict[str, int]:
    """Return {name: number as printed}: kB, except the counts of huge pages."""
    return dict(proc.meminfo(content))


def parse_proc_cpuinfo(content: str) -> list[dict[str, Any]]:
    """Return a dict for each logical CPU."""
    return list(proc.cpuinfo(content))


def parse_proc_diskstats(content: str) -> list[HostDiskInfo]:
    """Return an object for each device, partitions included."""
    return [HostDiskInfo.from_dict(row) for row in proc.diskstats(content)]


def parse_proc_net_dev(content: str) -> list[HostNetworkInfo]:
    """Return an object for each interface, ``lo`` included."""
    return [HostNetworkInfo.from_dict(row) for row in proc.netdev(content)]


def parse_proc_version(content: str) -> str:
    """Return the whole line."""
    return str(proc.version(content))


def parse_proc_loadavg(content: str) -> tuple[float, float, float, int, int]:
    """Return the loads of 1, 5 and 15 minutes, running processes, all processes.

    Zeros for a damaged text, as in the suite.
    """
    found = proc.loadavg(content)
    loads = [float(found.get(k, 0)) for k in ("load_1min", "load_5min", "load_15min")]
    counts = [int(found.get(k, 0)) for k in ("running_processes", "total_processes")]
    return loads[0], loads[1], loads[2], counts[0], counts[1]


def parse_proc_uptime(content: str) -> float:
    """Return the seconds since boot; 0 for a damaged text, as in the suite."""
    return float(proc.uptime(content) or 0.0)


def parse_proc_vmstat(content: str) -> dict[str, int]:
    """Return {name: number}, in the kernel's units."""
    return dict(proc.vmstat(content))


def parse_proc_mounts(content: str) -> list[MountInfo]:
    """Return an object for each mount. The last two numbers may be missing, as in fstab(5)."""
    full = re.sub(
        r"(?m)^(\S+ \S+ \S+ \S+)( \d+)?\s*$", lambda m: f"{m[1]}{m[2] or ' 0'} 0", content
    )
    return [MountInfo.from_dict(row) for row in proc.mounts(full)]


def parse_proc_cgroups(content: str) -> list[CgroupInfo]:
    """Return an object for each controller."""
    return [CgroupInfo.from_dict(row) for row in proc.cgroups(content)]


def parse_os_release(content: str) -> dict[str, str]:
    """Return {NAME: value} without quotes."""
    return dict(proc.os_release(content))


def collect_local_system_info() -> dict[str, Any]:
    """Return this host's data under the suite's keys, ours beside them."""
    return collected_data(take(full=True))


def collect_timeseries_sample() -> dict[str, Any]:
    """Return one sample of this host; ``errors`` only when a file could not be read."""
    return dict(one_sample())
