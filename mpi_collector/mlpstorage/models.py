"""A host as the suite's data class, and what is told of several.

``from_dict`` and ``to_dict`` lose nothing of ``cluster_info.json``: our keys are kept, too.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mpi_collector.formats.cluster_info import ComparedHost, consistency_issues, host_information
from mpi_collector.formats.suite_host import SuiteHost
from mpi_collector.mlpstorage.rows import (
    HostCPUInfo,
    HostDiskInfo,
    HostMemoryInfo,
    HostNetworkInfo,
    HostSystemInfo,
)
from mpi_collector.node.host.snapshot import proc

#: part of a host -> the part of the collected data that it is made of
_SOURCES = {"memory": "meminfo", "cpu": "cpu", "disks": "diskstats", "network": "netdev"}


@dataclass
class HostInfo:
    """A host of ``ClusterInformation``.

    ``error``: why the host has no data. ``extra``: our keys, as they are. The five between them are
    of 3.0.23 and later: ``formats.suite_host.SuiteHost``.
    """

    hostname: str
    memory: HostMemoryInfo = field(default_factory=HostMemoryInfo)
    cpu: HostCPUInfo | None = None
    disks: list[HostDiskInfo] | None = None
    network: list[HostNetworkInfo] | None = None
    system: HostSystemInfo | None = None
    collection_timestamp: str | None = None
    error: str | None = None
    chassis_model: str = ""
    networking: list[dict[str, Any]] = field(default_factory=list)
    sysctl: list[dict[str, Any]] = field(default_factory=list)
    environment: list[dict[str, Any]] = field(default_factory=list)
    drives: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    _PARTS: ClassVar[tuple[str, ...]] = tuple(SuiteHost.__annotations__)
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
        # empty parts stay in ``extra``: they are written again, and absent ones are not
        known = {*cls._SUITE, "memory_info", "cpu_info", *(k for k in cls._PARTS if data.get(k))}
        extra = {k: v for k, v in data.items() if k not in known}
        if isinstance(cpu, Mapping):
            extra["_cpu"] = dict(cpu)
            cpu = {"num_sockets": data.get("num_sockets", 0), **cpu}
        return cls(
            hostname=hostname,
            memory=kind(about),
            cpu=HostCPUInfo.from_dict(cpu) if cpu else None,
            disks=HostDiskInfo.from_rows(data.get("disks")),
            network=HostNetworkInfo.from_rows(data.get("network")),
            system=HostSystemInfo.from_dict(data["system"]) if data.get("system") else None,
            collection_timestamp=data.get("collection_timestamp"),
            error=data.get("error"),
            chassis_model=data.get("chassis_model") or "",
            networking=list(data.get("networking") or []),
            sysctl=list(data.get("sysctl") or []),
            environment=_settings(data.get("environment")),
            drives=list(data.get("drives") or []),
            extra=extra,
        )

    @classmethod
    def from_collected_data(cls, data: Mapping[str, Any]) -> HostInfo:
        """Return the object of a snapshot, of what a collector returns of a host, or of a document.

        What a collector did not find is None, as in the suite.
        """
        hostname = str(data.get("hostname", "unknown"))
        if any(key in data for key in ("memory", "memory_info", "error")):
            return cls.from_dict(hostname, data)
        known = dict(data)
        if not known.get("cpu") and known.get("cpuinfo"):
            summary = summarize_cpuinfo(list(known["cpuinfo"]))
            known["cpu"] = {**summary, "num_cores": summary["num_physical_cores"]}
        host: dict[str, Any] = dict(host_information(known, hostname))
        for part, source in _SOURCES.items():
            if not known.get(source):
                host[part] = None
        out = cls.from_dict(hostname, host)
        if "same_host_as" in data:
            out.extra["same_host_as"] = data["same_host_as"]
        return out

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
        parts = {part: getattr(self, part) for part in self._PARTS}
        return {**out, **extra, **{part: value for part, value in parts.items() if value}}


def _settings(values: object) -> list[dict[str, Any]]:
    """Return [{name, value}]; files before 0.2 had {name: value}."""
    if isinstance(values, Mapping):
        return [{"name": name, "value": value} for name, value in values.items()]
    return list(values) if isinstance(values, list) else []


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
