"""The suite's names, signatures and shapes, and that nothing is lost on the way through its classes."""

from __future__ import annotations

import inspect
import json
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from cluster_documents import cluster_information

from mpi_collector import mlpstorage
from mpi_collector.formats.cluster_info import host_information
from mpi_collector.mlpstorage import (
    ClusterInformation,
    ClusterSnapshots,
    CollectionResult,
    HostInfo,
    HostMemoryInfo,
    MountInfo,
    MPIClusterCollector,
    MultiHostTimeSeriesCollector,
    SSHClusterCollector,
    TimeSeriesCollector,
    TimeSeriesData,
    TimeSeriesSample,
    collect_local_system_info,
    collect_timeseries_sample,
)

SUITE = ("diskstats", "vmstat", "meminfo", "loadavg", "netdev")


# ---- names
@pytest.mark.parametrize("name", sorted(mlpstorage._MODULE_OF))
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
    assert set(mlpstorage._MODULE_OF) == set(names)


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


# ---- parsers
def test_types_of_the_parsers() -> None:
    assert mlpstorage.parse_proc_loadavg("0.50 0.75 0.80 2/500 12345") == (0.5, 0.75, 0.8, 2, 500)
    assert mlpstorage.parse_proc_loadavg("cut") == (0.0, 0.0, 0.0, 0, 0)
    assert mlpstorage.parse_proc_uptime("12345.67 98765.43") == 12345.67
    assert mlpstorage.parse_proc_vmstat("nr_a 1\nbad\nx not_a_number\n") == {"nr_a": 1}
    (disk,) = mlpstorage.parse_proc_diskstats("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n")
    assert (disk.device_name, disk.sectors_read, disk.discards_completed) == ("sda", 3, None)
    assert "discards_completed" not in disk.to_dict()
    (nic,) = mlpstorage.parse_proc_net_dev("h|h\nh|h\n  eth0: " + " ".join(map(str, range(16))))
    assert (nic.interface_name, nic.rx_bytes, nic.tx_bytes) == ("eth0", 0, 8)
    assert [
        m.pass_num
        for m in mlpstorage.parse_proc_mounts("/dev/sda1 / ext4 rw 0 1\n\n/dev/sdb /x xfs defaults")
    ] == [1, 0]
    assert mlpstorage.parse_proc_mounts("") == []
    first, second = mlpstorage.parse_proc_cgroups(
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t1\t1\npids\t0\t1\t0"
    )
    assert (first.subsys_name, first.enabled, second.enabled) == ("cpu", True, False)
    assert mlpstorage.parse_os_release('NAME="Ubuntu"\nVERSION=20.04\n') == {
        "NAME": "Ubuntu",
        "VERSION": "20.04",
    }
    summary = mlpstorage.summarize_cpuinfo(
        mlpstorage.parse_proc_cpuinfo(
            "processor : 0\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n"
        )
    )
    assert (
        summary["num_physical_cores"],
        summary["num_logical_cores"],
        summary["num_sockets"],
    ) == (1, 2, 1)


def test_rows_take_no_other_keys() -> None:
    mount = MountInfo.from_dict(
        {"device": "a", "mount_point": "/", "fs_type": "ext4", "options": "rw", "extra": 1}
    )
    assert mount.to_dict() == {
        "device": "a",
        "mount_point": "/",
        "fs_type": "ext4",
        "options": "rw",
        "dump_freq": 0,
        "pass_num": 0,
    }


# ---- hosts and clusters
def test_local_information() -> None:
    found = collect_local_system_info()
    assert found["hostname"] == socket.gethostname()
    assert {"meminfo", "cpuinfo", "diskstats", "netdev", "version", "loadavg", "uptime_seconds", "vmstat", "mounts", "cgroups", "os_release",
            "collection_timestamp", "errors"} <= set(found)  # fmt: skip
    host = HostInfo.from_collected_data(found)
    assert host.memory.total == found["meminfo"]["MemTotal"] * 1024
    assert host.memory.used == 1024 * (
        found["meminfo"]["MemTotal"]
        - sum(found["meminfo"][k] for k in ("MemFree", "Buffers", "Cached"))
    )
    assert host.cpu is not None
    assert host.cpu.num_logical_cores == len(found["cpuinfo"])
    assert host.system is not None
    assert host.system.kernel_version == found["version"]
    assert len(host.disks or []) == len(found["diskstats"])


def test_memory_from_texts() -> None:
    assert (
        HostMemoryInfo.from_proc_meminfo_dict({"MemTotal": "16384 kB", "MemFree": 384}).total
        == 16384 * 1024
    )
    assert HostMemoryInfo.from_proc_meminfo_dict({}).total == 0


def snapshots() -> dict[str, dict[str, object]]:
    first = collect_local_system_info()
    second = json.loads(json.dumps(first))
    second["hostname"] = "other"
    second["meminfo"]["MemTotal"] //= 2
    second["os_release"]["VERSION_ID"] = "99"
    second["version"] = "Linux version 1.2.3-x (y)"
    second["cpu"]["num_cores"] += 1
    return {"one": first, "two": second}


def test_cluster_round_trip_loses_nothing() -> None:
    """What cluster_info.json holds comes out of the classes as it went in, keys of ours and broken hosts included."""
    document = cluster_information(snapshots(), {"three": "no such host"}, "ssh")
    document = json.loads(json.dumps(document))
    assert [h["hostname"] for h in document["hosts"]] == ["one", "two", "three"]
    assert document["num_hosts"] == 2
    assert document["total_memory_bytes"] == sum(
        h["memory"]["total"] for h in document["hosts"][:2]
    )
    assert document["min_memory_bytes"] < document["max_memory_bytes"]
    assert document["total_cores"] == sum(h["cpu"]["num_cores"] for h in document["hosts"][:2])
    assert [i.split(" differs")[0] for i in document["host_consistency_issues"]] == [
        "memory",
        "core count",
        "operating system version",
        "kernel release",
    ]
    assert ClusterInformation.from_dict(document).as_dict() == document
    both = {"start": document, "end": document, "collection_method": "ssh"}
    assert ClusterSnapshots.from_dict(both).as_dict() == both
    assert ClusterInformation.from_dict({}) is None
    assert ClusterSnapshots.from_dict(None) is None


def test_hosts_that_are_alike_have_no_issues() -> None:
    one = snapshots()["one"]
    assert "host_consistency_issues" not in cluster_information({"a": one, "b": one})


@pytest.mark.parametrize("name", ["from_mpi_collection", "from_ssh_collection"])
def test_from_a_collection(name: str) -> None:
    method = name.split("_")[1]
    data = {
        **snapshots(),
        "three": {"hostname": "three", "error": "gone"},
        "_metadata": {"collection_timestamp": "2026-01-05T00:00:00Z"},
    }
    found = getattr(ClusterInformation, name)(data, None)
    assert (found.num_hosts, found.collection_method, found.collection_timestamp) == (
        2,
        method,
        "2026-01-05T00:00:00Z",
    )
    assert len(found.host_info_list) == 3
    assert found.host_consistency_issues
    assert "_metadata" in data


# ---- samples
def test_one_sample() -> None:
    sample = collect_timeseries_sample()
    assert set(sample) >= {"timestamp", "hostname", *SUITE}
    assert "errors" not in sample
    assert TimeSeriesSample.from_dict(sample).to_dict() == sample


def test_time_series_round_trip(tmp_path: Path) -> None:
    """The document of a real run through the classes and back."""
    import mpi_collector

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True
    ):
        time.sleep(0.3)
    document = json.loads(next(tmp_path.glob("*_timeseries.json")).read_text())
    assert TimeSeriesData.from_dict(document).to_dict() == document
    info = json.loads(next(tmp_path.glob("*_cluster_info.json")).read_text())
    assert ClusterInformation.from_dict(info).as_dict() == info
    assert set(info["hosts"][0]) == set(host_information(collect_local_system_info()))
    about = json.loads(next(tmp_path.glob("*_metadata.json")).read_text())
    assert (
        ClusterSnapshots.from_dict(about["cluster_snapshots"]).as_dict()
        == about["cluster_snapshots"]
    )
    assert ClusterInformation.from_dict(about["system_info"]).as_dict() == about["system_info"]


def check_samples(samples: list[dict[str, object]], interval_s: float) -> None:
    assert all(set(SUITE) <= set(s) for s in samples)
    assert [s["tick"] for s in samples][-1] == -1
    gaps = [b["timestamp_ns"] - a["timestamp_ns"] for a, b in pairwise(samples[:-1])]  # type: ignore[operator]
    assert all(g > 0.2e9 * interval_s for g in gaps)


def test_the_local_collector() -> None:
    collector = TimeSeriesCollector(interval_seconds=0.05)
    assert (collector.samples, collector.start_time, collector.end_time, collector.is_running) == (
        [],
        None,
        None,
        False,
    )
    with pytest.raises(RuntimeError, match="not started"):
        collector.stop()
    collector.start()
    assert collector.is_running
    with pytest.raises(RuntimeError, match="already started"):
        collector.start()
    time.sleep(0.5)
    assert len(collector.samples) >= 4
    samples = collector.stop()
    assert samples == collector.samples
    assert collector.end_time
    assert not collector.is_running
    assert len(samples) >= 6
    check_samples(samples, 0.05)
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.stop()
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.start()


@pytest.mark.parametrize("most", [1, 2, 3, 16])
def test_the_end_of_the_run_is_never_what_is_missing(most: int) -> None:
    collector = TimeSeriesCollector(interval_seconds=0.02, max_samples=most)
    collector.start()
    time.sleep(1.2)
    before = time.time_ns()
    samples = collector.stop()
    assert 1 <= len(samples) <= most
    assert abs(samples[-1]["timestamp_ns"] - before) < 1e9
    if most == 16:
        assert samples[0]["tick"] == 0


def test_the_multi_host_collector_on_this_host() -> None:
    collector = MultiHostTimeSeriesCollector(
        ["localhost:4", "localhost", "nohost.invalid"], interval_seconds=0.1, ssh_timeout=5
    )
    assert collector.hosts == ["localhost", "nohost.invalid"]
    with pytest.raises(RuntimeError, match="not started"):
        collector.stop()
    collector.start()
    with pytest.raises(RuntimeError, match="already started"):
        collector.start()
    time.sleep(0.8)
    found = collector.stop()
    assert collector.get_hosts_with_data() == ["localhost"]
    check_samples(found["localhost"], 0.1)
    assert len(found["localhost"]) >= 5
    (failed,) = found["nohost.invalid"]
    assert list(failed["errors"]) == ["ssh"]
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.stop()


# ---- collectors
def test_the_ssh_collector_on_this_host() -> None:
    collector = SSHClusterCollector(
        ["localhost", "localhost:4", " ", "nohost.invalid"], None, timeout_seconds=10
    )
    assert collector._get_unique_hosts() == ["localhost", "nohost.invalid"]
    assert collector.get_collection_method() == "ssh"
    result = collector.collect([], 10)
    assert result.data["localhost"]["meminfo"]["MemTotal"] > 0
    assert list(result.data) == ["localhost", "nohost.invalid"]
    assert "nohost.invalid: connecting:" in result.errors[0]
    assert (result.success, result.collection_method) == (False, "ssh")
    assert ClusterInformation.from_ssh_collection(result.data).num_hosts == 1
    local = collector.collect_local()
    assert (local.success, local.collection_method, local.errors, len(local.data)) == (
        True,
        "local",
        [],
        1,
    )


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not SSHClusterCollector([], None).is_available()
    assert not MPIClusterCollector([], "/nonexistent/mpirun").is_available()
    assert MPIClusterCollector([]).get_collection_method() == "mpi"


def test_which_names_are_this_host() -> None:
    local = mlpstorage._is_localhost
    assert all(
        map(
            local,
            (
                "localhost",
                "LOCALHOST",
                "127.0.0.1",
                "::1",
                socket.gethostname(),
                socket.gethostname().upper(),
            ),
        )
    )
    assert not any(map(local, ("node1.invalid", "192.0.2.7")))


def test_ssh_connectivity() -> None:
    found = mlpstorage.validate_ssh_connectivity(["localhost", "nohost.invalid"], 5)
    assert found["localhost"] == (True, "")
    assert found["nohost.invalid"][0] is False
