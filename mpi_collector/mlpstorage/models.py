"""The suite's data classes, with the suite's names and fields.

``from_dict`` and ``to_dict`` lose nothing of ``cluster_info.json``: our keys are kept, too.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from mpi_collector.formats.cluster_info import (
    ComparedHost,
    consistency_issues,
    host_information,
    memory_information,
)
from mpi_collector.node.host.snapshot import proc

_T = TypeVar("_T", bound="_Row")


@dataclass
class _Row:
    """A flat row. Fields that are None are not in its dict; keys that are no fields are ignored."""

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None}

    @classmethod
    def from_dict(cls: type[_T], data: Mapping[str, Any]) -> _T:
        names = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in data.items() if k in names})

    @classmethod
    def from_rows(cls: type[_T], rows: Iterable[Mapping[str, Any]] | None) -> list[_T] | None:
        """Return an object for each of ``rows``; None for None: not collected."""
        return None if rows is None else [cls.from_dict(row) for row in rows]


@dataclass
class HostDiskInfo(_Row):
    """A line of /proc/diskstats."""

    device_name: str
    reads_completed: int = 0
    reads_merged: int = 0
    sectors_read: int = 0
    time_reading_ms: int = 0
    writes_completed: int = 0
    writes_merged: int = 0
    sectors_written: int = 0
    time_writing_ms: int = 0
    ios_in_progress: int = 0
    time_doing_ios_ms: int = 0
    weighted_time_doing_ios_ms: int = 0
    discards_completed: int | None = None
    discards_merged: int | None = None
    sectors_discarded: int | None = None
    time_discarding_ms: int | None = None
    flush_requests_completed: int | None = None
    time_flushing_ms: int | None = None


@dataclass
class HostNetworkInfo(_Row):
    """A line of /proc/net/dev."""

    interface_name: str
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    rx_fifo: int = 0
    rx_frame: int = 0
    rx_compressed: int = 0
    rx_multicast: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0
    tx_fifo: int = 0
    tx_collisions: int = 0
    tx_carrier: int = 0
    tx_compressed: int = 0


@dataclass
class HostSystemInfo(_Row):
    """The operating system. A value that was not collected is None."""

    hostname: str
    kernel_version: str = ""
    os_release: dict[str, str] = field(default_factory=dict)
    uptime_seconds: float | None = 0.0
    load_average_1min: float | None = 0.0
    load_average_5min: float | None = 0.0
    load_average_15min: float | None = 0.0
    running_processes: int | None = 0
    total_processes: int | None = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class MountInfo(_Row):
    """A line of /proc/mounts."""

    device: str
    mount_point: str
    fs_type: str
    options: str
    dump_freq: int = 0
    pass_num: int = 0


@dataclass
class CgroupInfo(_Row):
    """A line of /proc/cgroups."""

    subsys_name: str
    hierarchy: int
    num_cgroups: int
    enabled: bool


@dataclass
class HostMemoryInfo(_Row):
    """Memory, bytes."""

    total: int = 0
    available: int | None = None
    used: int | None = None
    free: int | None = None
    active: int | None = None
    inactive: int | None = None
    buffers: int | None = None
    cached: int | None = None
    shared: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_proc_meminfo_dict(cls, data: Mapping[str, Any]) -> HostMemoryInfo:
        """Return the object of the lines of /proc/meminfo: kB, or texts like ``"16384 kB"``."""
        numbers = {}
        for name, value in data.items():
            word = str(value).split()[:1]
            if word and word[0].lstrip("-").isdigit():
                numbers[name] = int(word[0])
        return cls(**memory_information(numbers))

    @classmethod
    def from_psutil_dict(cls, data: Mapping[str, int]) -> HostMemoryInfo:
        """Return the object of ``psutil.virtual_memory()._asdict()``."""
        return cls.from_dict({**dict.fromkeys((f.name for f in fields(cls)), 0), **data})

    @classmethod
    def from_total_mem_int(cls, total_mem_int: int) -> HostMemoryInfo:
        return cls(total=total_mem_int)


@dataclass
class HostCPUInfo(_Row):
    """Physical and logical cores, summed over the sockets."""

    num_cores: int = 0
    num_logical_cores: int = 0
    model: str = ""
    architecture: str = ""


@dataclass
class HostInfo:
    """A host of ``ClusterInformation``.

    ``extra``: our keys, as they are. ``error``: why the host has no data.
    """

    hostname: str
    memory: HostMemoryInfo = field(default_factory=HostMemoryInfo)
    cpu: HostCPUInfo | None = None
    disks: list[HostDiskInfo] | None = None
    network: list[HostNetworkInfo] | None = None
    system: HostSystemInfo | None = None
    collection_timestamp: str | None = None
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    _SUITE: ClassVar[tuple[str, ...]] = (
        "hostname",
        "memory",
        "cpu",
        "disks",
        "network",
        "system",
        "collection_timestamp",
        "error",
    )

    @classmethod
    def from_dict(cls, hostname: str, data: Mapping[str, Any]) -> HostInfo:
        """Return the object of a host of ``cluster_info.json``.

        The suite's older keys ``memory_info`` and ``cpu_info`` are read, too.
        """
        about = data.get("memory") or data.get("memory_info") or {}
        kind = (
            HostMemoryInfo.from_proc_meminfo_dict
            if "MemTotal" in about
            else HostMemoryInfo.from_dict
        )
        cpu = data.get("cpu") or data.get("cpu_info")
        extra = {k: v for k, v in data.items() if k not in (*cls._SUITE, "memory_info", "cpu_info")}
        if isinstance(cpu, Mapping):
            extra["_cpu"] = dict(cpu)
        return cls(
            hostname=hostname,
            memory=kind(about),
            cpu=HostCPUInfo.from_dict(cpu) if cpu else None,
            disks=HostDiskInfo.from_rows(data.get("disks")),
            network=HostNetworkInfo.from_rows(data.get("network")),
            system=HostSystemInfo.from_dict(data["system"]) if data.get("system") else None,
            collection_timestamp=data.get("collection_timestamp"),
            error=data.get("error"),
            extra=extra,
        )

    @classmethod
    def from_collected_data(cls, data: Mapping[str, Any]) -> HostInfo:
        """Return the object of a snapshot or of a host of ``cluster_info.json``."""
        hostname = str(data.get("hostname", "unknown"))
        if "meminfo" not in data:
            return cls.from_dict(hostname, data)
        known = dict(data)
        if not known.get("cpu") and known.get("cpuinfo"):
            summary = summarize_cpuinfo(list(known["cpuinfo"]))
            known["cpu"] = {**summary, "num_cores": summary["num_physical_cores"]}
        return cls.from_dict(hostname, host_information(known, hostname))

    def compared(self) -> ComparedHost:
        """Return what totals and consistency need; 0 and "" where it was not collected."""
        cpu = self.cpu or HostCPUInfo()
        system = self.system or HostSystemInfo(self.hostname)
        return {
            "memory": {"total": self.memory.total},
            "cpu": {"num_cores": cpu.num_cores},
            "system": {
                "os_release": system.os_release,
                "kernel_version": system.kernel_version,
            },
            "collection_timestamp": self.collection_timestamp,
        }

    def to_dict(self) -> dict[str, Any]:
        if self.error is not None:
            return {"hostname": self.hostname, "error": self.error}
        extra = {k: v for k, v in self.extra.items() if k != "_cpu"}
        out: dict[str, Any] = {
            "hostname": self.hostname,
            "memory": self.memory.to_dict(),
            "collection_timestamp": self.collection_timestamp,
        }
        if self.cpu is not None:
            out["cpu"] = {**self.extra.get("_cpu", {}), **self.cpu.to_dict()}
        if self.disks is not None:
            out["disks"] = [d.to_dict() for d in self.disks]
        if self.network is not None:
            out["network"] = [n.to_dict() for n in self.network]
        if self.system is not None:
            out["system"] = self.system.to_dict()
        return {**out, **extra}


def summarize_cpuinfo(cpuinfo_list: list[dict[str, Any]]) -> dict[str, Any]:
    """Return num_physical_cores, num_logical_cores, num_sockets, model, architecture."""
    found = proc.summarize_cpuinfo(cpuinfo_list)
    return {
        "num_physical_cores": found["num_cores"],
        "num_logical_cores": found["num_logical_cores"],
        "num_sockets": found["num_sockets"],
        "model": found["model"],
        "architecture": platform.machine(),
    }


def issues_of(hosts: Iterable[HostInfo]) -> list[str]:
    """Return what differs between hosts that should be alike."""
    known = {h.hostname: h.compared() for h in hosts if h.error is None and h.cpu and h.system}
    return consistency_issues(known)
