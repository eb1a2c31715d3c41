"""Benchmarks that call the suite's classes in the order and with the arguments of its versions."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

from mpi_collector.mlpstorage import (
    ClusterInformation,
    ClusterSnapshots,
    MPIClusterCollector,
    MultiHostTimeSeriesCollector,
    SSHClusterCollector,
    TimeSeriesCollector,
    TimeSeriesData,
    TimeSeriesSample,
    collect_cluster_info,
    run_shared_fs_probe,
)

LOGGER = logging.getLogger("suite")


class Benchmark:
    """A run as the first version makes it; DLIO is a file that is written meanwhile."""

    def __init__(self, results: Path, hosts: list[str], exec_type: str, seconds: float) -> None:
        self.results = results
        self.hosts = hosts
        self.exec_type = exec_type
        self.seconds = seconds
        self.warnings: list[str] = []

    def cluster_over_mpi(self) -> dict[str, Any]:
        return collect_cluster_info(
            hosts=self.hosts,
            mpi_bin="mpirun",
            logger=LOGGER,
            allow_run_as_root=False,
            timeout_seconds=60,
            fallback_to_local=True,
        )

    def cluster_over_ssh(self) -> ClusterInformation:
        collector = SSHClusterCollector(
            hosts=self.hosts, logger=LOGGER, ssh_username=None, timeout_seconds=60
        )
        assert collector.is_available()
        result = collector.collect(self.hosts, 60)
        if not result.success:
            self.warnings.append(str(result.errors))
        about = {"collection_method": "ssh", "collection_timestamp": result.timestamp}
        return ClusterInformation.from_mpi_collection({**result.data, "_metadata": about}, LOGGER)

    def cluster(self) -> ClusterInformation | None:
        if not self.hosts:
            return None
        if self.exec_type == "mpi":
            return ClusterInformation.from_mpi_collection(self.cluster_over_mpi(), LOGGER)
        return self.cluster_over_ssh()

    def before(self, start: ClusterInformation | None) -> None:
        """What newer versions do between the start snapshot and the time series."""

    def collector(self) -> Any:
        if not self.hosts:
            return TimeSeriesCollector(interval_seconds=0.1, max_samples=3600, logger=LOGGER)
        return MultiHostTimeSeriesCollector(
            hosts=self.hosts,
            interval_seconds=0.1,
            max_samples=3600,
            ssh_username=None,
            ssh_timeout=20,
            logger=LOGGER,
        )

    def run(self) -> tuple[ClusterSnapshots | None, TimeSeriesData]:
        start = self.cluster()
        self.before(start)
        collector = self.collector()
        collector.start()
        try:
            time.sleep(self.seconds)
        finally:
            series = self.stop(collector)
        end = self.cluster()
        snapshots = ClusterSnapshots(start, end, self.exec_type) if start else None
        self.write(snapshots, series)
        return snapshots, series

    def stop(self, collector: Any) -> TimeSeriesData:
        found = collector.stop()
        if isinstance(collector, MultiHostTimeSeriesCollector):
            hosts = collector.get_hosts_with_data()
            by_host, requested = found, list(collector.hosts)
        else:
            hosts = requested = [found[0]["hostname"]]
            by_host = {hosts[0]: found}
        typed = {h: [TimeSeriesSample.from_dict(s) for s in v] for h, v in by_host.items()}
        return TimeSeriesData(
            collection_interval_seconds=collector.interval_seconds,
            start_time=collector.start_time or "",
            end_time=collector.end_time or "",
            num_samples=sum(map(len, typed.values())),
            samples_by_host=typed,
            collection_method="ssh" if len(hosts) > 1 else "local",
            hosts_requested=requested,
            hosts_collected=hosts,
        )

    def write(self, snapshots: ClusterSnapshots | None, series: TimeSeriesData) -> None:
        (self.results / "series.json").write_text(json.dumps(series.to_dict()))
        if snapshots:
            (self.results / "snapshots.json").write_text(json.dumps(snapshots.as_dict()))
            (self.results / "cluster.json").write_text(
                json.dumps(snapshots.start.to_detailed_dict())
            )


class NewBenchmark(Benchmark):
    """A run as 3.0.23 and 3.0.27 make it: it describes the system before, and asks for shared directories."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.system: list[dict[str, Any]] = []

    def cluster_over_mpi(self) -> dict[str, Any]:
        return collect_cluster_info(
            hosts=self.hosts,
            mpi_bin="mpirun",
            logger=LOGGER,
            results_dir=str(self.results),
            allow_run_as_root=False,
            timeout_seconds=60,
            fallback_to_local=True,
            shared_staging_dir=None,
            ssh_username=None,
        )

    def before(self, start: ClusterInformation | None) -> None:
        run_shared_fs_probe(
            destination=str(self.results),
            hosts=self.hosts,
            run_uuid="5f",
            logger=LOGGER,
            mpi_bin="/nonexistent/mpirun",
            allow_run_as_root=False,
            ssh_username=None,
        )
        for host in start.host_info_list if start else []:
            assert host.cpu and host.memory and host.system
            self.system.append(
                {
                    "model": host.chassis_model,
                    "cpus": host.cpu.num_sockets,
                    "cores": host.cpu.num_cores,
                    "memory_gib": round(host.memory.total / 2**30),
                    "os": host.system.os_release.get("NAME", ""),
                    "ports": [(n["type"], n.get("speed", ""), n["state"]) for n in host.networking],
                    "settings": [(s["name"], s["value"]) for s in host.sysctl + host.environment],
                    "drives": [
                        (
                            d["vendor_name"],
                            d["model_name"],
                            d["interface"],
                            d["capacity_in_GB"],
                        )
                        for d in host.drives
                    ],
                }
            )


class ClassBenchmark(Benchmark):
    """A run that asks the first version's class for the cluster, by position."""

    def cluster_over_mpi(self) -> dict[str, Any]:
        collector = MPIClusterCollector(self.hosts, "mpirun", LOGGER, False, 60)
        assert collector.is_available()
        return {**collector.collect(), "_metadata": {"collection_method": "mpi"}}
