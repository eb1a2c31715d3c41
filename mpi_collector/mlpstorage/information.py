"""The suite's classes of a cluster and of a time series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mpi_collector.formats.cluster_info import cluster_totals
from mpi_collector.mlpstorage.models import HostInfo, issues_of
from mpi_collector.mlpstorage.rows import HostCPUInfo, HostMemoryInfo

_ALIAS = "same_host_as"  #: key of a host that is another name of one that counts


class ClusterInformation:
    """All hosts of a run and their totals, in which hosts with an ``error`` do not count."""

    def __init__(
        self,
        host_info_list: list[HostInfo],
        logger: Any = None,
        calculate_aggregated_info: bool = True,
    ) -> None:
        self.host_info_list = list(host_info_list)
        self.logger = logger
        self.total_memory_bytes = 0
        self.total_cores = 0
        self.min_memory_bytes = 0
        self.max_memory_bytes = 0
        self.num_hosts = len(self._counted())
        self.collection_method = "unknown"
        self.collection_timestamp: str | None = None
        self.host_consistency_issues: list[str] = []
        self.extra: dict[str, Any] = {}
        if calculate_aggregated_info:
            self.calculate_aggregated_info()

    def calculate_aggregated_info(self) -> None:
        counted = [h.compared() for h in self._counted()]
        totals = cluster_totals(counted, self.collection_method)
        self.total_memory_bytes = totals["total_memory_bytes"]
        self.min_memory_bytes = totals["min_memory_bytes"]
        self.max_memory_bytes = totals["max_memory_bytes"]
        self.total_cores = totals["total_cores"]

    def _counted(self) -> list[HostInfo]:
        """Return the hosts with data, a host with several names once."""
        return [h for h in self.host_info_list if h.error is None and not h.extra.get(_ALIAS)]

    def validate_cluster_consistency(self) -> list[str]:
        self.host_consistency_issues = issues_of(self.host_info_list)
        return self.host_consistency_issues

    def as_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {name: getattr(self, name) for name in _TOTALS}
        out["hosts"] = [h.to_dict() for h in self.host_info_list]
        if self.host_consistency_issues:
            out["host_consistency_issues"] = self.host_consistency_issues
        return {**out, **self.extra}

    to_dict = to_detailed_dict = as_dict

    @property
    def info(self) -> dict[str, Any]:
        return self.as_dict()

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any] | None, logger: Any = None
    ) -> ClusterInformation | None:
        """Return the object of a document, None when it is none. Our keys are kept.

        Hosts that are described elsewhere in the document have no object here.
        """
        if data is None or data.get("total_memory_bytes") is None:
            return None
        described = [] if _REFERRING in data else data.get("hosts", [])
        out = cls(
            [HostInfo.from_collected_data(h) for h in described],
            logger,
            calculate_aggregated_info=False,
        )
        for name in _TOTALS:
            setattr(out, name, data.get(name, getattr(out, name)))
        out.host_consistency_issues = list(data.get("host_consistency_issues", []))
        known = {*_TOTALS, "host_consistency_issues", *(() if _REFERRING in data else ("hosts",))}
        out.extra = {k: v for k, v in data.items() if k not in known}
        return out

    @classmethod
    def from_dlio_summary_json(
        cls, summary: Mapping[str, Any], logger: Any = None
    ) -> ClusterInformation | None:
        """Return the hosts of DLIO's ``summary.json``, None when it has no list of them."""
        memory_gib, cores = (summary.get(k) for k in ("host_memory_GB", "host_cpu_count"))
        if memory_gib is None or cores is None:
            return None
        hosts = [
            HostInfo(
                f"host_{n}",
                HostMemoryInfo.from_total_mem_int(int(size * 2**30)),
                HostCPUInfo(num_cores=cores[n]) if n < len(cores) else None,
            )
            for n, size in enumerate(memory_gib)
        ]
        out = cls(hosts, logger)
        out.collection_method = "dlio_summary"
        return out

    @classmethod
    def _from_collection(
        cls, collected: Mapping[str, Any], logger: Any, method: str
    ) -> ClusterInformation:
        about = collected.get("_metadata") or {}
        hosts = [_host(name, data) for name, data in collected.items() if not name.startswith("_")]
        out = cls(hosts, logger)
        out.collection_method = about.get("collection_method", method)
        out.collection_timestamp = about.get("collection_timestamp")
        out.validate_cluster_consistency()
        return out

    @classmethod
    def from_mpi_collection(
        cls, collected_data: Mapping[str, Any], logger: Any = None
    ) -> ClusterInformation:
        """Return the object of {hostname: collected data, "_metadata": ...}."""
        return cls._from_collection(collected_data, logger, "mpi")

    @classmethod
    def from_ssh_collection(
        cls, collected_data: Mapping[str, Any], logger: Any = None
    ) -> ClusterInformation:
        """Return the object of {hostname: collected data, "_metadata": ...}."""
        return cls._from_collection(collected_data, logger, "ssh")


_REFERRING = "hosts_refer_to"
_TOTALS = (
    "total_memory_bytes",
    "total_cores",
    "num_hosts",
    "min_memory_bytes",
    "max_memory_bytes",
    "collection_method",
    "collection_timestamp",
)


def _host(name: str, data: Mapping[str, Any]) -> HostInfo:
    if "error" in data:
        return HostInfo(name, error=str(data["error"]))
    host = HostInfo.from_collected_data(data)
    host.hostname = str(data.get("hostname", name))
    return host


@dataclass
class ClusterSnapshots:
    """The cluster at the start and at the end of a run."""

    start: ClusterInformation
    end: ClusterInformation | None = None
    collection_method: str = "unknown"

    def as_dict(self) -> dict[str, Any]:
        end = self.end.as_dict() if self.end else None
        return {
            "start": self.start.as_dict(),
            "end": end,
            "collection_method": self.collection_method,
        }

    to_dict = as_dict

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any] | None, logger: Any = None
    ) -> ClusterSnapshots | None:
        """Return the object of a document, None when it has no start."""
        start = ClusterInformation.from_dict((data or {}).get("start"), logger)
        if data is None or start is None:
            return None
        return cls(
            start,
            ClusterInformation.from_dict(data.get("end"), logger),
            data.get("collection_method", "unknown"),
        )


@dataclass
class TimeSeriesSample:
    """A sample of ``*_timeseries.json``. What was not collected is None, and not in the dict."""

    timestamp: str
    hostname: str
    diskstats: list[dict[str, Any]] | None = None
    vmstat: dict[str, int] | None = None
    meminfo: dict[str, int] | None = None
    loadavg: dict[str, Any] | None = None
    netdev: list[dict[str, Any]] | None = None
    errors: dict[str, str] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        return {**{k: v for k, v in own.items() if v is not None}, **self.extra}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TimeSeriesSample:
        names = {f.name for f in fields(cls)} - {"extra"}
        return cls(
            **{k: v for k, v in data.items() if k in names},
            extra={k: v for k, v in data.items() if k not in names},
        )


@dataclass
class TimeSeriesData:
    """The whole of ``*_timeseries.json``."""

    collection_interval_seconds: float
    start_time: str
    end_time: str
    num_samples: int
    samples_by_host: dict[str, list[TimeSeriesSample]]
    collection_method: str
    hosts_requested: list[str]
    hosts_collected: list[str]
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        own["samples_by_host"] = {
            h: [_sample(s) for s in samples] for h, samples in self.samples_by_host.items()
        }
        return {**own, **self.extra}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TimeSeriesData:
        names = {f.name for f in fields(cls)} - {"extra"}
        own = {**_EMPTY_SERIES, **{k: v for k, v in data.items() if k in names}}
        own["samples_by_host"] = {
            h: [TimeSeriesSample.from_dict(s) for s in v] for h, v in own["samples_by_host"].items()
        }
        return cls(**own, extra={k: v for k, v in data.items() if k not in names})


#: what the suite takes for a key that is missing
_EMPTY_SERIES: dict[str, Any] = {
    "collection_interval_seconds": 10.0,
    "start_time": "",
    "end_time": "",
    "num_samples": 0,
    "samples_by_host": {},
    "collection_method": "unknown",
    "hosts_requested": [],
    "hosts_collected": [],
}


def _sample(sample: TimeSeriesSample | dict[str, Any]) -> dict[str, Any]:
    return sample.to_dict() if isinstance(sample, TimeSeriesSample) else sample
