"""The suite's names and signatures."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from mpi_collector import mlpstorage
from mpi_collector.mlpstorage import (
    ClusterInformation,
    CollectionResult,
    MPIClusterCollector,
    MultiHostTimeSeriesCollector,
    SSHClusterCollector,
    TimeSeriesCollector,
)


@pytest.mark.parametrize("name", sorted({*mlpstorage.__all__, "_is_localhost"}))
def test_every_name_is_there(name: str) -> None:
    assert getattr(mlpstorage, name) is not None


def test_the_suites_names() -> None:
    """As its modules import them, written out here once more."""
    names = """parse_proc_meminfo parse_proc_cpuinfo parse_proc_diskstats parse_proc_net_dev parse_proc_version parse_proc_loadavg
    parse_proc_uptime parse_proc_vmstat parse_proc_mounts parse_proc_cgroups parse_os_release summarize_cpuinfo
    collect_local_system_info collect_timeseries_sample HostDiskInfo HostNetworkInfo HostSystemInfo MountInfo CgroupInfo HostInfo
    HostMemoryInfo HostCPUInfo ClusterInformation ClusterSnapshots TimeSeriesSample TimeSeriesData TimeSeriesCollector
    MultiHostTimeSeriesCollector ClusterCollectorInterface CollectionResult MPIClusterCollector TimeSeriesCollectorInterface
    _is_localhost SSHClusterCollector validate_ssh_connectivity""".split()
    assert {*mlpstorage.__all__, "_is_localhost"} == set(names)


def test_signatures() -> None:
    def of(thing: object) -> dict[str, object]:
        return {p.name: p.default for p in inspect.signature(thing).parameters.values()}  # type: ignore[arg-type]

    none = inspect.Parameter.empty
    assert of(TimeSeriesCollector) == {
        "interval_seconds": 10.0,
        "max_samples": 3600,
        "logger": None,
    }
    assert of(MultiHostTimeSeriesCollector) == {
        "hosts": none,
        "interval_seconds": 10.0,
        "max_samples": 3600,
        "ssh_username": None,
        "ssh_timeout": 30,
        "max_workers": 10,
        "logger": None,
    }
    assert of(SSHClusterCollector) == {
        "hosts": none,
        "logger": none,
        "ssh_username": None,
        "timeout_seconds": 60,
        "max_workers": 10,
    }
    assert list(of(CollectionResult)) == [
        "success",
        "data",
        "errors",
        "collection_method",
        "timestamp",
    ]
    assert of(mlpstorage.validate_ssh_connectivity) == {"hosts": none, "timeout": 5}
    for collector in (
        mlpstorage.ClusterCollectorInterface,
        SSHClusterCollector,
        MPIClusterCollector,
    ):
        assert list(of(collector.collect)) == ["self", "hosts", "timeout"]
        assert [
            list(of(getattr(collector, name)))
            for name in ("collect_local", "is_available", "get_collection_method")
        ] == 3 * [["self"]]
        assert issubclass(collector, mlpstorage.ClusterCollectorInterface)
    assert list(of(MPIClusterCollector)) == [
        "hosts",
        "mpi_bin",
        "logger",
        "allow_run_as_root",
        "timeout_seconds",
    ]
    assert of(MPIClusterCollector)["timeout_seconds"] == 60
    assert of(mlpstorage._is_localhost) == {"hostname": none}
    for series in (TimeSeriesCollector, MultiHostTimeSeriesCollector):
        assert issubclass(series, mlpstorage.TimeSeriesCollectorInterface)
        assert list(of(series.start)) == list(of(series.stop)) == ["self"]
        assert isinstance(series.is_running, property)
    many = MultiHostTimeSeriesCollector(["a:2", "a", "b"])
    assert (
        many.samples_by_host,
        many.start_time,
        many.end_time,
        many.is_running,
        many.get_hosts_with_data(),
    ) == ({"a": [], "b": []}, None, None, False, [])
    for name in ("from_mpi_collection", "from_ssh_collection"):
        assert next(iter(of(getattr(ClusterInformation, name)))) == "collected_data"


def test_importing_the_names_loads_neither_numpy_nor_mpi() -> None:
    program = ("import sys; from mpi_collector.mlpstorage import HostInfo, parse_proc_meminfo, collect_local_system_info; "
               "print([m for m in ('numpy', 'mpi4py', 'ClusterShell') if m in sys.modules])")  # fmt: skip
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
