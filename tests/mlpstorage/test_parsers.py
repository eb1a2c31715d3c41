"""The suite's parsers: their types, and a snapshot and a sample of this host."""

from __future__ import annotations

import socket

from mpi_collector import mlpstorage
from mpi_collector.mlpstorage import (
    HostInfo,
    TimeSeriesSample,
    collect_local_system_info,
    collect_timeseries_sample,
)

SUITE = ("diskstats", "vmstat", "meminfo", "loadavg", "netdev")


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


def test_local_information() -> None:
    found = collect_local_system_info()
    assert found["hostname"] == socket.gethostname()
    assert {"meminfo", "cpuinfo", "diskstats", "netdev", "version", "loadavg", "uptime_seconds", "vmstat", "mounts", "cgroups", "os_release",
            "collection_timestamp", "chassis_model", "networking", "sysctl", "environment", "drives"} <= set(found)  # fmt: skip
    assert "errors" not in found  # as in the suite, only when there are some
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


def test_one_sample() -> None:
    sample = collect_timeseries_sample()
    assert set(sample) >= {"timestamp", "hostname", *SUITE}
    assert "errors" not in sample
    assert TimeSeriesSample.from_dict(sample).to_dict() == sample
