"""Sources on what real kernels printed, opened, read and decoded as a sampler does: tests/fixtures/README.md says where from."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_fixture_sources import FIXTURES, plant, recorded

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import BY_NAME, select
from mpi_collector.node.sources.base import Source
from mpi_collector.node.status import ABSENT, DENIED


def nonzero(spec: str, tree: str) -> dict[str, int]:
    return {k.partition(".")[2]: v for k, v in recorded(spec, FIXTURES / tree).items() if v}


@pytest.mark.parametrize("tree", ["linux-4.18", "linux-6.18"])
def test_every_tcp_counter(tree: str) -> None:
    """Each has the number that stands below its name; the same columns on both kernels but for what the older has not."""
    there: dict[str, int] = {}
    for name in ("snmp", "netstat"):
        lines = (FIXTURES / tree / "proc/net" / name).read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            protocol, words = names.split()[0], names.split()[1:]
            there.update(
                {f"tcp.{protocol[:-1]}.{n}": int(v) for n, v in zip(words, values.split()[1:])}
            )
    found = recorded("tcp", FIXTURES / tree)
    assert found == {k: there[k] for k in found}
    missing = (
        {f"{p}.{f}" for p, f in (("TcpExt", "TCPRcvQDrop"), ("TcpExt", "TCPZeroWindowDrop"))}
        if tree == "linux-4.18"
        else set()
    )
    assert len(found) == len(BY_NAME["tcp"].fields) - len(missing)


def test_softnet() -> None:
    assert nonzero("softnet", "linux-4.18") == {
        "processed": 0x29BA9 + 0x2749D,
        "squeezed": 0x5B + 0x46,
    }
    assert nonzero("softnet", "linux-6.18") == {"processed": 0x49941 + 0x54EF9}


def test_pressure_without_interrupts() -> None:
    """The totals in microseconds, not the averages."""
    wanted = {}
    for resource in ("cpu", "io", "memory"):
        for line in (FIXTURES / "linux-6.18/proc/pressure" / resource).read_text().splitlines():
            wanted[f"pressure.{resource}.{line.split()[0]}_us"] = int(line.rpartition("=")[2])
    assert len(wanted) == 6
    assert recorded("pressure", FIXTURES / "linux-6.18") == wanted


def test_numa() -> None:
    found = nonzero("numa", "linux-6.18")
    lines = (FIXTURES / "linux-6.18/sys/devices/system/node/node0/meminfo").read_text().split("\n")
    assert found["node0.MemTotal_kB"] == next(
        int(line.split()[3]) for line in lines if "MemTotal" in line
    )
    assert {
        "node0.numa_hit",
        "node0.local_node",
        "node0.interleave_hit",
        "node0.FilePages_kB",
    } <= set(found)


def test_interrupts() -> None:
    """Per device and card, summed over queues and CPUs."""
    assert nonzero("interrupts", "linux-4.18") == {
        "CAL.count": 200494, "HVS.count": 2162552, "HYP.count": 299534, "LOC.count": 2576, "MCP.count": 14, "RES.count": 953843, "rtc.count": 1,
    }  # fmt: skip
    assert nonzero("interrupts", "mlx5-12cpu") == {
        "mlx5_async@pci:0000:01:00.0.count": 23274,
        "mlx5_async@pci:0000:01:00.1.count": 8563,
        "mlx5_comp@pci:0000:01:00.0.count": 324 + 4360 + 395218 + 416057 + 1024467 + 44,
    }
    assert "virtio1-req.count" in nonzero("interrupts", "linux-6.18")


def test_schedstat() -> None:
    assert nonzero("schedstat", "schedstat-8cpu") == {
        "running_ns": 292515627291867 + 311850875106051,
        "waiting_ns": 318272754879 + 206689244562,
        "timeslices": 114358076 + 80935836,
    }


def test_the_cgroup_of_a_slurm_job() -> None:
    """The job's, not the step's that the collector is in; names without a dot, pressure of interrupts too."""
    found = nonzero("cgroup", "slurm-v2")
    assert found["cpu.usage_us"] == 22831721029
    assert found["memory.memory_bytes"] == 217704693760
    assert found["memory.anon"] == 216812081152
    assert found["memory.pgmajfault"] == 339
    assert found["pressure.cpu_full_us"] == 347476074
    assert found["pressure.irq_full_us"] == 3707378
    every = recorded("cgroup", FIXTURES / "slurm-v2")
    assert {
        "cgroup.cpu.core_sched_force_idle_us",
        "cgroup.cpu.throttled_us",
        "cgroup.memory.events_oom_kill",
    } <= set(every)


def test_version_1_counts_what_is_below() -> None:
    """In the job's own cgroup nobody lives: its memory is that of its steps. One controller's folder may carry two names."""
    assert nonzero("cgroup", "slurm-v1") == {
        "cpu.usage_ns": 33146523011972, "memory.cache": 4096, "memory.rss": 311296, "memory.pgfault": 1899,
    }  # fmt: skip


def test_a_hybrid_host() -> None:
    """Version 2 without controllers beside version 1 with them, which counts."""
    found = nonzero("cgroup", "linux-6.18")
    at = FIXTURES / "linux-6.18/sys/fs/cgroup"
    assert found["cpu.usage_ns"] == int((at / "cpuacct/cpuacct.usage").read_text())
    assert found["memory.memory_bytes"] == int(
        (at / "memory/job/memory.usage_in_bytes").read_text()
    )
    assert found["memory.cache"] == 171020288
    assert "cpu.usage_us" not in found


def test_a_process() -> None:
    """Its counters are those of its stat and io, USER_HZ as milliseconds, pages as bytes."""
    import os

    words = (FIXTURES / "linux-6.18/proc/4242/stat").read_text().split()
    io = dict(
        line.split(": ") for line in (FIXTURES / "linux-6.18/proc/4242/io").read_text().splitlines()
    )
    found = recorded("processes", FIXTURES / "linux-6.18")
    tick_ms = 1000 // os.sysconf("SC_CLK_TCK")
    assert found == {f"processes.python3.{k}": v for k, v in {
        "processes": 1, "threads": 2, "user_ms": (int(words[13]) + int(words[15])) * tick_ms,
        "system_ms": (int(words[14]) + int(words[16])) * tick_ms, "rss_bytes": int(words[23]) * os.sysconf("SC_PAGE_SIZE"),
        "major_faults": int(words[11]) + int(words[12]), "read_call_bytes": int(io["rchar"]), "write_call_bytes": int(io["wchar"]),
        "read_calls": int(io["syscr"]), "write_calls": int(io["syscw"]), "read_bytes": int(io["read_bytes"]),
        "write_bytes": int(io["write_bytes"]),
    }.items()}  # fmt: skip


# ---- what some hosts refuse
def test_lustre_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since 2.12 its statistics are under debugfs: there is Lustre, and this user may not read it. Elsewhere it is not there."""
    import os

    real = os.listdir

    def listdir(path: str) -> list[str]:
        if "kernel/debug" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("mpi_collector.node.sources.lustre.os.listdir", listdir)
    probe = Probe(select("lustre"), str(tmp_path))
    assert probe.absent == {"lustre": ABSENT}
    (tmp_path / "sys/fs/lustre").mkdir(parents=True)
    probe = Probe(select("lustre"), str(tmp_path))
    assert probe.absent == {"lustre": DENIED}
    assert "root" in probe.reasons["lustre"]


def test_lnet(tmp_path: Path) -> None:
    """A table of its own: a target has no columns of LNet's."""
    plant(tmp_path, "lnet")
    (tmp_path / "proc/fs/lustre/osc/lfs-OST0000").mkdir(parents=True)
    (tmp_path / "proc/fs/lustre/osc/lfs-OST0000/stats").write_text(
        (FIXTURES / "lustre/osc-2.12").read_text()
    )
    found = recorded("lustre", tmp_path)
    lnet = {k.rpartition(".")[2]: v for k, v in found.items() if k.startswith("lustre.lnet")}
    names = ("msgs_alloc msgs_max errors send_count recv_count route_count drop_count send_length recv_length route_length "
             "drop_length")  # fmt: skip
    line = (0, 1172, 0, 195805494, 204125982, 0, 16957, 216828482753, 708781379083, 0, 3268048)
    assert lnet == dict(zip(names.split(), line))
    assert not [k for k in found if "OST0000.send_count" in k or "lnet.read_bytes" in k]


def test_pressure_that_was_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """RHEL builds it and starts without it: the files are there and answer EOPNOTSUPP. That is absent, no error."""
    import errno

    def read(*_args: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("mpi_collector.node.read.file_group.preadv", read)
    probe = Probe(select("pressure"), str(FIXTURES / "linux-6.18"))
    assert probe.absent == {"pressure": ABSENT}


def test_every_source_has_a_fixture() -> None:
    """From a real kernel, or from documentation where the hardware is not to be had; the list says which, and is true."""
    lines = [
        line.split("|")
        for line in (FIXTURES / "README.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    listed = {row[1].strip(" `"): row for row in lines if row[1].strip(" `") in BY_NAME}
    assert set(listed) == set(BY_NAME)
    for name, row in listed.items():
        for place in row[2].split(","):
            assert (FIXTURES / place.strip(" `")).exists(), (name, place)
        assert issubclass(BY_NAME[name], Source)
        assert any(word in row[3] for word in ("capture", "composed", "live")), name
