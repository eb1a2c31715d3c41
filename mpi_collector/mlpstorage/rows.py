"""The suite's flat data classes, with the suite's names and fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from mpi_collector.formats.cluster_info import memory_information

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
    num_sockets: int = 0  #: since 3.0.23; 0: not known

    def to_dict(self) -> dict[str, Any]:
        row = super().to_dict()
        return row if self.num_sockets else {k: v for k, v in row.items() if k != "num_sockets"}
