"""What comes later, is gone and back, is elsewhere or at the end: on one machine, which is recorded once.

COMMAND is a job of 15 steps. Recorded with the suite's JSON beside the recording, and marked afterwards.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import living_tree as lt
import numpy as np
import pytest

from mpi_collector.node.status import SLOW
from mpi_collector.store.load import load

STEPS = 15
MB = 1 << 20
SECTORS = 2000  #: in a step; ten times as many between the last tick and the stop
LARGE = 2**63 + 5
LUSTRE = "proc/fs/lustre/llite/lfs-ffff8a/stats"
CG = "sys/fs/cgroup/job"
PORT = "sys/class/infiniband/mlx5_0/ports/1/counters"
EFA = "sys/class/infiniband/efa_0/ports/1/hw_counters"
LOST = 9  #: step from which on a GPU does not answer
GONE, BACK = 4, 7  #: steps in which the adapter's driver is loaded again
S390X = """\
vendor_id       : IBM/S390
# processors    : 4
bogomips per cpu: 3033.00
max thread id   : 0
facilities      : 0 1 2 3
processor 0: version = FF,  identification = 123456,  machine = 8561
processor 1: version = FF,  identification = 123456,  machine = 8561
processor 2: version = FF,  identification = 123456,  machine = 8561
processor 3: version = FF,  identification = 123456,  machine = 8561
"""
NO_NFS = "device rootfs mounted on / with fstype rootfs\n"


def nfs(n: int) -> str:
    read = n * MB
    return (
        f"device s:/a mounted on /mnt/a with fstype nfs4 statvers=1.1\n\tbytes:\t{read} 0 0 0 {read} 0 0 0\n"
        f"\tper-op statistics\n\t        READ: {n} {n} 0 100 {read} {n} {4 * n} {5 * n} 0\n"
    )


def machine(n: int) -> dict[str, Any]:
    """The machine after n steps."""
    sectors = SECTORS * n + (9 * SECTORS if n == STEPS else 0)
    io = f"7:3 8:16 259:0 rbytes={4096 * n} wbytes=0 rios={n} wios=0\n" if n >= 3 else ""
    lustre = f"read_bytes {n} samples [bytes] 1 {MB} {MB * n} 9\n" if n >= 3 else ""
    state: dict[str, Any] = {
        **lt.diskstats({"sda": {"sectors_read": sectors, "reads_completed": 10 * n}}),
        **lt.netdev({"eth0": (LARGE + 1000 * n, 7 * n)}),
        LUSTRE: "snapshot_time 1.5 secs.nsecs\n" + lustre,
        f"{CG}/cpu.stat": f"usage_usec {1000 * n}\n",
        f"{CG}/io.stat": io,
        "proc/self/mountstats": NO_NFS + (nfs(n) if n >= 2 else ""),
        f"{EFA}/rx_bytes": f"{MB * n}\n",
        f"{EFA}/tx_bytes": f"{2 * MB * n}\n",
        "proc/vmstat": f"nr_tlb_remote_flush {n}\npgpgin {n}\nnr_free_pages 5\n",
        "gpu": f"{n}\n",
    }
    for name in ("port_rcv_data", "port_xmit_data"):
        gone = GONE <= n < BACK
        state[f"{PORT}/{name}"] = None if gone else f"{(n if n < GONE else n - BACK) * MB // 4}\n"
    return state


class NVMLError(Exception):
    pass


class EightGpus(ModuleType):
    """NVML of eight GPUs: one never answers, one not at the start, one not any more."""

    NVMLError = NVMLError

    def __init__(self, step: Path) -> None:
        super().__init__("pynvml")
        self._step = step

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return 8

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index == 5:
            raise NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        step = int(self._step.read_text() or "0")
        if handle == 0 and step < 1:
            raise NVMLError("Unknown Error")
        if handle == 7 and step >= LOST:
            raise NVMLError("GPU is lost")
        return SimpleNamespace(gpu=10 * handle, memory=1)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    directory = tmp_path_factory.mktemp("machine")
    first = {
        **lt.disk_sysfs("sda"),
        **lt.net_sysfs("eth0"),
        "proc/cpuinfo": S390X,
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io\n",
        "proc/driver/nvidia/version": "NVRM\n",
    }
    sys.modules["pynvml"] = EightGpus(directory / "tree/gpu")
    try:
        return lt.record(
            directory,
            [machine(0) | first, *(machine(n) for n in range(1, STEPS + 1))],
            sources="basic,lustre,nfs,cgroup,infiniband,gpu",
            last_at_stop=True,
            words=("--json", "always"),
        )
    finally:
        del sys.modules["pynvml"]


@pytest.mark.parametrize(
    ("kind", "name", "figure", "moved"),
    [
        ("mount", "llite/lfs-ffff8a", "lustre_read_bytes_per_s", (STEPS - 3) * MB),
        ("mount", "/mnt/a", "nfs_read_bytes_per_s", (STEPS - 2) * MB),
        ("fabric", "efa_0/1", "fabric_rx_bytes_per_s", STEPS * MB),
        ("fabric", "efa_0/1", "fabric_tx_bytes_per_s", 2 * STEPS * MB),
        ("disk", "sda", "read_bytes_per_s", 512 * SECTORS * (STEPS + 9)),
        ("interface", "eth0", "net_rx_bytes_per_s", 1000 * STEPS),
    ],
)
def test_what_was_moved(
    found: lt.Recorded, kind: str, name: str, figure: str, moved: float
) -> None:
    """By the rows, of what came later from its first value on."""
    entry = found.devices[kind, name]
    with load(found.path) as run:
        (host,) = run.values()
        (device,) = (d for d in host.devices if (d.kind, d.name) == (kind, name))
        source = {"mount": "lustre", "fabric": "infiniband"}.get(kind, "netdev")
        was_slow = bool(
            (host.statuses[source] == SLOW).any()
        )  # read in a thread, on a busy machine
        seconds = device.figures[figure].end_ns - device.figures[figure].begin_ns
        total = float(np.nansum(np.asarray(device.figures[figure].values) * seconds * 1e-9))
    assert total == pytest.approx(moved, rel=1e-6) or (was_slow and 0 < total < moved)
    assert entry["figures"][figure]["peak"] >= entry["figures"][figure]["mean"]


def test_devices_of_a_line_of_linux_5_15(found: lt.Recorded) -> None:
    with load(found.path) as run:
        (host,) = run.values()
        assert host.raw("cgroup.259:0.read_bytes")[-1] == 4096 * STEPS
        assert not [c for c in host.columns if ".7:3." in c]


def test_adapter_that_is_gone_and_back(found: lt.Recorded) -> None:
    """Known again under the same path, and that it was gone is said."""
    with load(found.path) as run:
        (host,) = run.values()
        known = host.raw("infiniband.mlx5_0/1.port_rcv_data") != -(2**63)
    gap = int(np.flatnonzero(~known)[0])
    assert known[0] and known[gap:].any()
    (said,) = (r for r in found.summary["verdict_remarks"] if "mlx5_0/1" in r and "gone" in r)
    assert "gone from" in said


def test_one_bad_gpu_of_eight(found: lt.Recorded) -> None:
    names = [name for kind, name in found.devices if kind == "gpu"]
    assert sorted(names) == [f"nvidia{n}" for n in (0, 1, 2, 3, 4, 6, 7)]
    assert any("nvidia5 is left out: GPU is lost" in n for n in found.host["notes"])


def test_gpu_that_does_not_answer_any_more(found: lt.Recorded) -> None:
    """NVML lists it, and the machine has not removed it: its figures are unknown, not only gone."""
    verdict = found.summary["verdict"]
    assert verdict["verdict"] == "partial"
    (reason,) = (r for r in verdict["reasons"] if "gpu nvidia" in r)
    assert "gpu nvidia7: " in reason and " unknown in " in reason
    assert any("nvidia7 gone since" in r for r in found.summary["verdict_remarks"])
    assert not [r for r in verdict["reasons"] if "mlx5_0" in r]  # its driver was loaded again


def test_call_that_failed_at_the_start(found: lt.Recorded) -> None:
    with load(found.path) as run:
        (host,) = run.values()
        busy = host.raw("gpu.nvidia0.busy_percent")
    assert busy[0] == -(2**63) and (busy == 0).any()


def test_burst_between_the_last_tick_and_the_stop(found: lt.Recorded) -> None:
    """It is in the mean, in the peak, and in what is drawn."""
    with load(found.path) as run:
        (host,) = run.values()
        figure = host.figure("read_bytes_per_s")
        values = np.asarray(figure.values)
        total = float(np.nansum(values * (figure.end_ns - figure.begin_ns) * 1e-9))
        assert int(figure.end_ns[-1]) == int(host.timestamp_ns[-1])
    assert total == pytest.approx(512 * SECTORS * (STEPS + 9), rel=1e-6)
    assert found.peak("read_bytes_per_s") == pytest.approx(float(np.nanmax(values)))
    assert np.nanmax(values) == values[-1]


def test_cpus_of_s390x(found: lt.Recorded) -> None:
    (path,) = found.path.parent.glob("*_cluster_info.json")
    (host,) = json.loads(path.read_text())["hosts"]
    assert host["cpu"]["num_logical_cores"] == 4


def test_counters_of_vmstat(found: lt.Recorded) -> None:
    with load(found.path) as run:
        (host,) = run.values()
        assert host.kind("vmstat.nr_tlb_remote_flush") == "counter"
        assert host.unit("vmstat.nr_tlb_remote_flush") == "flushes"
        assert host.kind("vmstat.nr_free_pages") == "gauge"


def test_tidy_frame_above_2_to_the_63(found: lt.Recorded) -> None:
    pytest.importorskip("pandas")
    with load(found.path) as run:
        frame = run.to_pandas(tidy=True)
    values = frame[frame["column"] == "netdev.eth0.rx_bytes"]["value"]
    assert int(values.iloc[-1]) == LARGE + 1000 * STEPS


def test_json_of_the_suite_read_back(found: lt.Recorded, tmp_path: Path) -> None:
    """What it does not have is a dash."""
    (path,) = found.path.parent.glob("*_timeseries.json")
    code, said = lt.run_cli(["summary", str(path)], tmp_path / "summary.txt", {})
    assert code == 0, said
    (line,) = (text for text in said.splitlines() if text.startswith("verdict:"))
    assert "lateness p99 -, clock bound -, own cost -" in line


# ---- phases of the recording, marked afterwards: the longest test of the module is last
def mark(path: Path, directory: Path, name: str, edge: str, at_s: float) -> None:
    words = ["mark", "--at", f"+{at_s:.6f}", f"--{edge}", str(path), name]
    code, said = lt.run_cli(words, directory / "mark.txt", {})
    assert code == 0, said


def test_phases_lie_anywhere_on_the_grid(found: lt.Recorded, tmp_path: Path) -> None:
    """Two within intervals, and one that is both: a union. No step of the job is in none or in two."""
    with load(found.path) as run:
        (host,) = run.values()
        sectors = host.raw("diskstats.sda.sectors_read").astype(float)
        times = (host.timestamp_ns - run.run["start_ns"]) * 1e-9
    assert len(times) > 10
    rows = (2, 5, 6, 9)
    a, b, c, d = (float(times[k] + 0.3 * (times[k + 1] - times[k])) for k in rows)
    marks = [("load", a, b), ("save", c, d), ("checkpoint", a, b), ("checkpoint", c, d)]
    for name, begin, end in marks:
        mark(found.path, tmp_path, name, "begin", begin)
        mark(found.path, tmp_path, name, "end", end)
    phases = {p["name"]: p for p in lt.summary_of(found.path, tmp_path)["phases"]}
    moved = {}
    for name, phase in phases.items():
        stretches = [(begin, end) for what, begin, end in marks if what == name]
        assert len(phase["stretches"]) == len(stretches)
        seconds = sum(end - begin for begin, end in stretches)
        assert phase["duration_s"] == pytest.approx(seconds, abs=1e-3)
        moved[name] = phase["figures"]["read_bytes_per_s"]["mean"] * seconds / 512
    assert moved["checkpoint"] == pytest.approx(moved["load"] + moved["save"], rel=1e-4)
    for name, first, last in (("load", 2, 5), ("save", 6, 9)):
        assert sectors[last] - sectors[first + 1] <= moved[name] + 1
        assert moved[name] - 1 <= sectors[last + 1] - sectors[first]
