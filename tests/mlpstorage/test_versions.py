"""What the versions of the suite call, read and write, as facts, against ours.

January 2026 (2.0.0b1, the first with these collectors), 3.0.23 (June) and 3.0.27 (July).
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stand_in_hosts import StandInHosts
from suite_life import LOGGER, Benchmark, NewBenchmark

import mpi_collector
from mpi_collector import mlpstorage
from mpi_collector.mlpstorage import (
    ClusterInformation,
    ClusterSnapshots,
    HostInfo,
    MPIClusterCollector,
    MultiHostTimeSeriesCollector,
    SSHClusterCollector,
    TimeSeriesCollector,
    TimeSeriesData,
    TimeSeriesSample,
)

VERSIONS = ("2.0.0b1", "3.0.23", "3.0.27")
NONE = inspect.Parameter.empty  #: no default

_RANKS = {"allow_run_as_root": False, "timeout_seconds": 60}
_STAGING = {"shared_staging_dir": None, "shared_tmp_dir": None, "ssh_username": None}
_PROBE = {
    "hosts": NONE,
    "run_uuid": NONE,
    "logger": NONE,
    "mpi_bin": None,
    **_RANKS,
    "ssh_username": None,
}
_FIRST = {"hosts": NONE, "mpi_bin": NONE, "logger": NONE}
_SERIES = {"interval_seconds": 10.0, "max_samples": 3600}
#: name -> its parameters and their defaults, in order, by the first version that has them
SIGNATURES: dict[str, dict[str, dict[str, Any]]] = {
    "MPIClusterCollector": {
        "2.0.0b1": {**_FIRST, **_RANKS},
        "3.0.23": {**_FIRST, "results_dir": NONE, **_RANKS, **_STAGING},
    },
    "collect_cluster_info": {
        "2.0.0b1": {**_FIRST, **_RANKS, "fallback_to_local": True},
        "3.0.23": {
            **_FIRST,
            "results_dir": NONE,
            **_RANKS,
            "fallback_to_local": True,
            **_STAGING,
        },
    },
    "SSHClusterCollector": {
        "2.0.0b1": {
            "hosts": NONE,
            "logger": NONE,
            "ssh_username": None,
            "timeout_seconds": 60,
            "max_workers": 10,
        }
    },
    "TimeSeriesCollector": {"2.0.0b1": {**_SERIES, "logger": None}},
    "MultiHostTimeSeriesCollector": {
        "2.0.0b1": {
            "hosts": NONE,
            **_SERIES,
            "ssh_username": None,
            "ssh_timeout": 30,
            "max_workers": 10,
            "logger": None,
        }
    },
    "validate_ssh_connectivity": {"2.0.0b1": {"hosts": NONE, "timeout": 5}},
    "_is_localhost": {"2.0.0b1": {"hostname": NONE}},
    "ValidationIssue": {
        "2.0.0b1": {
            "severity": NONE,
            "category": NONE,
            "message": NONE,
            "suggestion": NONE,
            "install_cmd": None,
            "host": None,
        }
    },
    "run_shared_fs_probe": {"3.0.23": {"destination": NONE, **_PROBE}},
    "run_results_dir_shared_probe": {"3.0.27": {"results_dir": NONE, **_PROBE}},
}
#: what a benchmark imports, by the first version that has it
NAMES = {
    "2.0.0b1": """parse_proc_meminfo parse_proc_cpuinfo parse_proc_diskstats parse_proc_net_dev parse_proc_version
        parse_proc_loadavg parse_proc_uptime parse_proc_vmstat parse_proc_mounts parse_proc_cgroups parse_os_release
        summarize_cpuinfo collect_local_system_info collect_timeseries_sample HostDiskInfo HostNetworkInfo HostSystemInfo
        MountInfo CgroupInfo HostInfo HostMemoryInfo HostCPUInfo ClusterInformation ClusterSnapshots TimeSeriesSample
        TimeSeriesData TimeSeriesCollector MultiHostTimeSeriesCollector ClusterCollectorInterface LocalCollectorInterface
        CollectionResult MPIClusterCollector _is_localhost SSHClusterCollector collect_cluster_info LOCALHOST_IDENTIFIERS
        TIMESERIES_SSH_SCRIPT validate_ssh_connectivity ValidationIssue""",
    "3.0.23": "run_shared_fs_probe",
    "3.0.27": "run_results_dir_shared_probe",
}  # fmt: skip
#: fields of the data classes, by the first version that has them
FIELDS = {
    "HostInfo": {
        "2.0.0b1": "hostname memory cpu disks network system collection_timestamp",
        "3.0.23": "chassis_model networking sysctl environment drives",
    },
    "HostCPUInfo": {
        "2.0.0b1": "num_cores num_logical_cores model architecture",
        "3.0.23": "num_sockets",
    },
    "HostMemoryInfo": {
        "2.0.0b1": "total available used free active inactive buffers cached shared"
    },
    "HostSystemInfo": {
        "2.0.0b1": "hostname kernel_version os_release uptime_seconds load_average_1min load_average_5min "
        "load_average_15min running_processes total_processes"
    },
    "CollectionResult": {"2.0.0b1": "success data errors collection_method timestamp"},
    "ClusterSnapshots": {"2.0.0b1": "start end collection_method"},
    "TimeSeriesSample": {
        "2.0.0b1": "timestamp hostname diskstats vmstat meminfo loadavg netdev errors"
    },
    "TimeSeriesData": {
        "2.0.0b1": "collection_interval_seconds start_time end_time num_samples samples_by_host "
        "collection_method hosts_requested hosts_collected"
    },
}
#: keys of ClusterInformation, and of its hosts
CLUSTER_KEYS = {
    "total_memory_bytes": int,
    "total_cores": int,
    "num_hosts": int,
    "min_memory_bytes": int,
    "max_memory_bytes": int,
    "collection_method": str,
    "collection_timestamp": str,
    "hosts": list,
}
HOST_KEYS = {
    "hostname": str,
    "memory": dict,
    "collection_timestamp": str,
    "cpu": dict,
    "disks": list,
    "network": list,
    "system": dict,
}
#: keys of a sample, and of a row of its lists
SAMPLE_KEYS = {
    "timestamp": str,
    "hostname": str,
    "diskstats": list,
    "vmstat": dict,
    "meminfo": dict,
    "loadavg": dict,
    "netdev": list,
}
LOAD_KEYS = {
    "load_1min": float,
    "load_5min": float,
    "load_15min": float,
    "running_processes": int,
    "total_processes": int,
}
DISK_KEYS = """device_name reads_completed reads_merged sectors_read time_reading_ms writes_completed writes_merged
    sectors_written time_writing_ms ios_in_progress time_doing_ios_ms weighted_time_doing_ios_ms""".split()
LATER_DISK_KEYS = """discards_completed discards_merged sectors_discarded time_discarding_ms flush_requests_completed
    time_flushing_ms""".split()
NET_KEYS = """interface_name rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_frame rx_compressed rx_multicast
    tx_bytes tx_packets tx_errors tx_dropped tx_fifo tx_collisions tx_carrier tx_compressed""".split()
METADATA_KEYS = """benchmark_type model command run_datetime num_processes accelerator result_dir parameters
    override_parameters system_info cluster_information cluster_snapshots timeseries_data runtime verification
    executed_command command_output_files args invocation_start_time invocation_end_time""".split()


def of_version(by_first: dict[str, Any], version: str) -> list[Any]:
    """What ``version`` has of {the first version that has it: it}."""
    return [by_first[v] for v in VERSIONS[: VERSIONS.index(version) + 1] if v in by_first]


def has_types(value: dict[str, Any], types: dict[str, type]) -> None:
    for key, kind in types.items():
        assert type(value[key]) is kind, (key, value[key])


# ---- calls
@pytest.mark.parametrize("version", VERSIONS)
def test_names(version: str) -> None:
    for names in of_version(NAMES, version):
        for name in names.split():
            assert getattr(mlpstorage, name) is not None
    every = {name for names in NAMES.values() for name in names.split()}
    # what else is public is an interface that newer versions have under another path
    assert {*mlpstorage.__all__, "_is_localhost"} - every == {"TimeSeriesCollectorInterface"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str, version: str) -> None:
    """Every parameter exists under its name and has its default; what the version has no default for may have one."""
    known = of_version(SIGNATURES[name], version)
    if not known:
        pytest.skip(f"{version} has no {name}")
    ours = inspect.signature(getattr(mlpstorage, name)).parameters
    for parameter, default in known[-1].items():
        assert parameter in ours
        if default is not NONE:
            assert ours[parameter].default == default
    for parameter in set(ours) - set(known[-1]):
        assert ours[parameter].default is not NONE
    newest = of_version(SIGNATURES[name], VERSIONS[-1])[-1]
    assert list(ours) == list(newest)


def test_positional_arguments_of_the_first_version() -> None:
    """There the fourth is ``allow_run_as_root``, in newer ones ``results_dir``."""
    first = MPIClusterCollector(["a"], "mpirun", LOGGER, True, 30)
    assert (first.allow_run_as_root, first.timeout, first.results_dir) == (True, 30, None)
    off = MPIClusterCollector(["a"], "mpirun", LOGGER, False)
    assert (off.allow_run_as_root, off.timeout, off.results_dir) == (False, 60, None)
    newest = MPIClusterCollector(["a"], "mpirun", LOGGER, "/r", True, 30, "/s", None, "me")
    assert (newest.allow_run_as_root, newest.timeout, newest.results_dir) == (True, 30, "/r")
    assert (newest.shared_staging_dir, newest.ssh_username) == ("/s", "me")
    old = MPIClusterCollector(["a"], "mpirun", LOGGER, results_dir="/r", shared_tmp_dir="/t")
    assert old.shared_staging_dir == "/t"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FIELDS)
def test_fields(name: str, version: str) -> None:
    ours = [f.name for f in fields(getattr(mlpstorage, name))]
    for names in of_version(FIELDS[name], version):
        assert set(names.split()) <= set(ours)
    first = FIELDS[name]["2.0.0b1"].split()
    assert ours[: len(first)] == first  # positional arguments mean the same


def test_methods() -> None:
    for cls in (SSHClusterCollector, mlpstorage.ClusterCollectorInterface):
        assert list(inspect.signature(cls.collect).parameters) == ["self", "hosts", "timeout"]
        for name in ("collect_local", "is_available", "get_collection_method"):
            assert list(inspect.signature(getattr(cls, name)).parameters) == ["self"]
    for name in ("collect", "collect_local_only", "_get_unique_hosts"):
        assert list(inspect.signature(getattr(MPIClusterCollector, name)).parameters) == ["self"]
    for series in (TimeSeriesCollector, MultiHostTimeSeriesCollector):
        assert list(inspect.signature(series.start).parameters) == ["self"]
        assert list(inspect.signature(series.stop).parameters) == ["self"]
        assert isinstance(series.is_running, property)
    many = MultiHostTimeSeriesCollector(["a:2", "a", "b"])
    assert (many.samples_by_host, many.get_hosts_with_data()) == ({"a": [], "b": []}, [])
    assert (many.start_time, many.end_time, many.is_running) == (None, None, False)
    for name in ("get_memory_info", "get_cpu_info", "get_disk_info", "get_network_info"):
        assert name in mlpstorage.LocalCollectorInterface.__abstractmethods__
    assert "get_system_info" in mlpstorage.LocalCollectorInterface.__abstractmethods__


def test_defaults_of_a_host() -> None:
    """3.0.23 and later build hosts without the new fields and read them."""
    host = HostInfo("a")
    assert host.chassis_model == ""
    assert host.networking == host.sysctl == host.environment == host.drives == []
    assert mlpstorage.HostCPUInfo().num_sockets == 0
    assert mlpstorage.HostCPUInfo.from_dict({"num_cores": 4, "num_sockets": 2}).num_sockets == 2


# ---- values
def test_a_host_of_collected_data() -> None:
    """The suite counts cores and sockets by ``cpuinfo`` alone."""
    rows = [
        {"processor": n, "physical id": n // 4, "core id": n // 2 % 2, "model name": "X"}
        for n in range(8)
    ]
    host = HostInfo.from_collected_data({"hostname": "a", "cpuinfo": rows})
    assert host.cpu is not None
    assert (host.cpu.num_sockets, host.cpu.num_cores, host.cpu.num_logical_cores) == (2, 4, 8)
    bare = [{"processor": 0}, {"processor": 1}]
    host = HostInfo.from_collected_data({"hostname": "a", "cpuinfo": bare})
    assert host.cpu is not None
    assert (host.cpu.num_sockets, host.cpu.num_cores) == (1, 2)
    assert HostInfo.from_collected_data({"hostname": "a"}).cpu is None
    assert HostInfo.from_collected_data({"hostname": "a"}).disks is None
    older = HostInfo.from_dict("a", {"memory_info": {"MemTotal": 8}, "cpu_info": {"num_cores": 2}})
    assert older.memory.total == 8 * 1024
    assert older.cpu is not None
    assert older.cpu.num_cores == 2


def test_dlios_summary() -> None:
    summary = {"host_memory_GB": [1.5, 2], "host_cpu_count": [8]}
    found = ClusterInformation.from_dlio_summary_json(summary, LOGGER)
    assert found is not None
    assert (found.num_hosts, found.total_cores, found.collection_method) == (2, 8, "dlio_summary")
    assert (found.min_memory_bytes, found.max_memory_bytes) == (3 * 2**29, 2**31)
    assert [h.hostname for h in found.host_info_list] == ["host_0", "host_1"]
    assert ClusterInformation.from_dlio_summary_json({"host_cpu_count": [8]}, LOGGER) is None
    assert ClusterInformation.from_dlio_summary_json({}, LOGGER) is None


def test_documents_with_keys_missing() -> None:
    """As the suite reads them: what is missing has its default."""
    assert TimeSeriesData.from_dict({}).to_dict() == {
        "collection_interval_seconds": 10.0,
        "start_time": "",
        "end_time": "",
        "num_samples": 0,
        "samples_by_host": {},
        "collection_method": "unknown",
        "hosts_requested": [],
        "hosts_collected": [],
    }
    assert ClusterSnapshots.from_dict({"end": {"total_memory_bytes": 1}}, LOGGER) is None
    found = ClusterInformation.from_dict({"total_memory_bytes": 7}, LOGGER)
    assert found is not None
    assert (found.total_memory_bytes, found.total_cores, found.num_hosts) == (7, 0, 0)


# ---- the life cycle
GENERATIONS = [pytest.param(Benchmark, id="January"), pytest.param(NewBenchmark, id="newest")]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_run_over_ssh(
    generation: Callable[..., Benchmark], stand_ins: StandInHosts, tmp_path: Path
) -> None:
    """This host and another one: totals, snapshots and series of both, and what is written reads back as it was."""
    benchmark = generation(tmp_path, ["localhost", "far-1:4"], "docker", 0.5)
    snapshots, series = benchmark.run()
    assert benchmark.warnings == []
    assert snapshots is not None
    start = snapshots.start.as_dict()
    has_types(start, CLUSTER_KEYS)
    assert start["num_hosts"] == 2
    for host in start["hosts"]:
        has_types(host, HOST_KEYS)
        assert host["cpu"]["num_cores"] > 0
        assert host["memory"]["total"] > 0
    assert start["total_cores"] == sum(h["cpu"]["num_cores"] for h in start["hosts"])
    assert series.hosts_collected == series.hosts_requested == ["localhost", "far-1"]
    check_series(series.to_dict())
    read = json.loads((tmp_path / "series.json").read_text())
    assert TimeSeriesData.from_dict(read).to_dict() == read
    read = json.loads((tmp_path / "snapshots.json").read_text())
    again = ClusterSnapshots.from_dict(read, LOGGER)
    assert again is not None
    assert again.as_dict() == read
    if isinstance(benchmark, NewBenchmark):
        assert len(benchmark.system) == 2
        assert all(host["cpus"] > 0 and host["cores"] > 0 for host in benchmark.system)


def test_a_run_over_mpi(tmp_path: Path) -> None:
    """A launch of ranks where there is an MPI, else this host alone."""
    benchmark = NewBenchmark(tmp_path, ["localhost"], "mpi", 0.3)
    snapshots, series = benchmark.run()
    assert snapshots is not None
    method = "mpi" if MPIClusterCollector([]).is_available() else "local_fallback"
    assert snapshots.start.collection_method == method
    assert snapshots.start.total_cores > 0
    assert series.collection_method == "local"
    check_series(series.to_dict())


def test_a_run_of_this_host_alone(tmp_path: Path) -> None:
    snapshots, series = Benchmark(tmp_path, [], "mpi", 0.3).run()
    assert snapshots is None
    check_series(series.to_dict())


def check_series(document: dict[str, Any]) -> None:
    """Keys, types and rows of ``*_timeseries.json``."""
    has_types(
        document,
        {
            "collection_interval_seconds": float,
            "start_time": str,
            "end_time": str,
            "num_samples": int,
            "samples_by_host": dict,
            "collection_method": str,
            "hosts_requested": list,
            "hosts_collected": list,
        },
    )
    every = document["samples_by_host"]
    assert list(every) == document["hosts_requested"]
    assert document["num_samples"] == sum(map(len, every.values()))
    for samples in every.values():
        assert samples
        for sample in samples:
            has_types(sample, SAMPLE_KEYS)
            has_types(sample["loadavg"], LOAD_KEYS)
            datetime.strptime(sample["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
            for row in sample["diskstats"]:
                assert set(DISK_KEYS) <= set(row) <= {*DISK_KEYS, *LATER_DISK_KEYS}
            for row in sample["netdev"]:
                assert set(row) == set(NET_KEYS)
            assert "lo" in {row["interface_name"] for row in sample["netdev"]}
            assert "errors" not in sample


# ---- files
def claimed(name: str) -> bool:
    """Whether a checker of the suite takes a file of this name for one of its own."""
    endings = ("summary.json", "output.json", "per_epoch_stats.json")
    return "metadata" in name or name.endswith(endings) or name in ("results.json", "dlio.log")


class Reader:
    """A reader of run directories that follows the suite's rules."""

    def __init__(self, directory: Path) -> None:
        found = sorted(p for p in directory.iterdir() if p.name.endswith("_metadata.json"))
        self.skipped = len(found) != 1
        self.metadata = {} if self.skipped else json.loads(found[0].read_text())

    @property
    def complete(self) -> bool:
        """Then neither DLIO's summary nor Hydra's files are read."""
        needed = ("benchmark_type", "run_datetime", "num_processes", "parameters")
        return all(key in self.metadata for key in needed)

    def parameter(self, *path: str) -> Any:
        at = self.metadata["parameters"]
        for name in path:
            at = at[name]
        return at

    def invocation_s(self) -> float:
        begin, end = (
            datetime.fromisoformat(self.metadata[f"invocation_{edge}_time"])
            for edge in ("start", "end")
        )
        return (end - begin).total_seconds()


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run of DLIO's command line, which does nothing but exist for half a second."""
    directory = tmp_path_factory.mktemp("run")
    dlio = directory / "dlio_benchmark"
    dlio.write_text("#!/bin/sh\nsleep 0.5\n")
    dlio.chmod(0o755)
    results = directory / "results"
    words = ["training", "run", "--transport", "local", "--timeseries-interval", "0.1"]
    overrides = ["workload=unet3d_h100", "++workload.dataset.num_files_train=6"]
    overrides += ["++workload.dataset.data_folder=/mnt/data", "++workload.reader.batch_size=7"]
    subprocess.run(
        [
            *(sys.executable, "-m", "mpi_collector", *words, "--results-dir", str(results), "--"),
            *(str(dlio), *overrides),
        ],
        check=True,
        capture_output=True,
    )
    return results


def test_a_reader_of_the_run(run_directory: Path) -> None:
    reader = Reader(run_directory)
    assert not reader.skipped
    assert reader.complete
    assert set(METADATA_KEYS) <= set(reader.metadata)
    assert reader.parameter("dataset", "num_files_train") == 6
    assert reader.parameter("reader", "batch_size") == 7
    assert reader.metadata["override_parameters"]["dataset.data_folder"] == "/mnt/data"
    args = reader.metadata["args"]
    assert (args["data_dir"], args["model"], args["num_processes"]) == ("/mnt/data", "unet3d", 1)
    assert args["results_dir"] == reader.metadata["result_dir"] == str(run_directory)
    assert (reader.metadata["benchmark_type"], reader.metadata["command"]) == ("training", "run")
    assert reader.metadata["accelerator"] == "h100"
    assert reader.metadata["verification"] is None
    assert reader.metadata["command_output_files"] == []
    assert abs(reader.invocation_s() - reader.metadata["runtime"]) <= 1
    datetime.strptime(reader.metadata["run_datetime"], "%Y%m%d_%H%M%S")
    series = reader.metadata["timeseries_data"]
    assert set(series) >= {"file", "num_samples", "interval_seconds", "hosts_collected"}
    written = json.loads((run_directory / series["file"]).read_text())
    assert written["num_samples"] == series["num_samples"]
    check_series(written)
    information = ClusterInformation.from_dict(reader.metadata["cluster_information"], LOGGER)
    assert information is not None
    assert information.total_cores > 0


def test_names_of_the_files(run_directory: Path) -> None:
    """One file is claimed by the suite, and is its own kind."""
    names = sorted(p.name for p in run_directory.iterdir() if not p.name.startswith("."))
    stem = f"training_{Reader(run_directory).metadata['run_datetime']}"
    assert {f"{stem}_{s}" for s in ("timeseries.json", "cluster_info.json", "metadata.json")} <= {
        *names
    }
    assert [n for n in names if claimed(n)] == [f"{stem}_metadata.json"]


@pytest.mark.parametrize(
    ("word", "benchmark_type"),
    [
        ("training", "training"),
        ("checkpointing", "checkpointing"),
        ("kvcache", "kv_cache"),
        ("vectordb", "vector_database"),
    ],
)
def test_benchmark_types(word: str, benchmark_type: str, tmp_path: Path) -> None:
    """The word of the command line, and the name in files."""
    from mpi_collector.cli import main

    words = [word, "run", "--transport", "local", "--skip-timeseries", "--quiet"]
    assert main.main([*words, "--results-dir", str(tmp_path), "--", "true"]) == 0
    (path,) = tmp_path.glob("*_metadata.json")
    metadata = json.loads(path.read_text())
    assert metadata["benchmark_type"] == benchmark_type
    assert path.name == f"{benchmark_type}_{metadata['run_datetime']}_metadata.json"
    # local time of this host, as the suite's directories have it
    begun = datetime.strptime(metadata["run_datetime"], "%Y%m%d_%H%M%S")
    assert abs((datetime.now() - begun).total_seconds()) < 60


def test_the_cluster_file(run_directory: Path) -> None:
    """Our parts of a host have names that the suite does not use, and its five have its form."""
    (path,) = run_directory.glob("*_cluster_info.json")
    document = json.loads(path.read_text())
    has_types(document, CLUSTER_KEYS)
    assert set(document["cluster_snapshots"]) == {"start", "end", "collection_method"}
    (host,) = document["hosts"]
    has_types(host, HOST_KEYS)
    memory = host["memory"]
    parts = ("free", "buffers", "cached")
    assert memory["used"] == memory["total"] - sum(memory[part] for part in parts)
    assert host["cpu"]["num_sockets"] == host["num_sockets"] > 0
    for part in ("networking", "sysctl", "environment", "drives"):
        assert all(isinstance(row, dict) for row in host[part])
    assert {"vmstat", "mounts", "cgroups"} <= set(host)
    assert set(host["mounts"][0]) == {
        *("device", "mount_point", "fs_type", "options", "dump_freq", "pass_num")
    }


def test_an_unreachable_host(tmp_path: Path) -> None:
    """The class records a sample that says why; the file has no sample, and the reason in ``errors``."""
    collector = MultiHostTimeSeriesCollector(["localhost", "nohost.invalid"], 0.1, ssh_timeout=5)
    collector.start()
    time.sleep(0.3)
    (sample,) = collector.stop()["nohost.invalid"]
    assert TimeSeriesSample.from_dict(sample).errors == sample["errors"]
    results = tmp_path / "results"
    words = [
        "kvcache",
        "run",
        "--hosts",
        "localhost,nohost.invalid",
        "--timeseries-interval",
        "0.1",
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mpi_collector", *words, "--ssh-timeout", "5"),
            *("--transport", "ssh", "--results-dir", str(results), "--", "sleep", "0.5"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "a host that loses power loses all its rows; --replicate 60" in done.stderr
    (path,) = results.glob("*_timeseries.json")
    document = json.loads(path.read_text())
    assert document["samples_by_host"]["nohost.invalid"] == []
    assert document["hosts_requested"] == ["localhost", "nohost.invalid"]
    assert document["hosts_collected"] == ["localhost"]
    metadata = Reader(results).metadata
    assert "nohost.invalid" in metadata["errors"]
    cluster = metadata["cluster_information"]
    assert cluster["num_hosts"] == 1
    assert "error" in next(h for h in cluster["hosts"] if h["hostname"] == "nohost.invalid")
    with mpi_collector.load(results) as run:
        assert run.run["verdict"]["verdict"] == "partial"
