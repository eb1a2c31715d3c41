"""cgroups of version 1, version 2 and both."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import cli
from nodekit import (
    FIXTURES,
)
from sampled_tree import Tree, sampled
from sourcekit import decoded, nonzero, recorded

import mpi_collector
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources.cgroup import LIMITS
from mpi_collector.report.summary import document


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


def cgroup_v2(tree: Tree) -> None:
    """A cgroup that has done no I/O yet."""
    tree.write("proc/self/cgroup", "0::/job\n")
    tree.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n")
    tree.write("sys/fs/cgroup/job/cpu.stat", "usage_usec 1000\nuser_usec 600\nsystem_usec 400\n")
    tree.write("sys/fs/cgroup/job/memory.current", "4096\n")
    tree.write("sys/fs/cgroup/job/io.stat", "")


@pytest.mark.parametrize("stat_at_the_start", [True, False])
def test_io_that_begins_later(tmp_path: Path, stat_at_the_start: bool) -> None:
    """io.stat lists the devices that were used, and is not there before its controller is enabled."""
    tree = Tree(tmp_path / "root")
    cgroup_v2(tree)
    at = "sys/fs/cgroup/job/io.stat"
    if not stat_at_the_start:
        tree.remove(at)
    found = sampled(
        tree,
        tmp_path / "results",
        "cgroup",
        lambda: tree.write(at, "259:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"),
        lambda: None,
        lambda: tree.write(at, "259:0 rbytes=104861696 wbytes=7 rios=101 wios=1 dbytes=0 dios=0\n"),
    )
    values = found.known("cgroup.259:0.read_bytes")
    assert values[-1] - values[0] == 100 << 20
    assert found.about("cgroup") == []


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"7:3 8:16 259:0 rbytes=5 wbytes=6 rios=1 wios=2 dbytes=0 dios=0", {"259:0": 5}),
        (b"8:0 rbytes=5 wbytes=6 rios=1 wios=2 dbytes=0 dios=0\n7:0 7:1 ", {"8:0": 5}),
        (b"7:0 \n8:0 rbytes=5\n8:16 259:1 rbytes=9", {"8:0": 5, "259:1": 9}),
        (b"8:0 rbytes=5 259:1 rbytes=9", {"8:0": 5}),  # damaged: nothing of the second device
        (b"rbytes=5", {}),
        (b"nvme0n1 rbytes=5", {}),
    ],
)
def test_devices_that_have_done_nothing(line: bytes, wanted: dict[str, int]) -> None:
    """Linux 5.14 to 5.16 print them in front of the next device, without a newline."""
    text = b"@cpu.stat\nusage_usec 1\n@io.stat\n" + line + b"\n"
    found = decoded("cgroup", text).cells
    reads = {k.partition(".")[0]: v for k, v in found.items() if k.endswith(".read_bytes")}
    assert reads == wanted


JOB = """\
mkdir -p "$ROOT/proc/$$" && echo "0::/user.slice/run-u7.scope" > "$ROOT/proc/$$/cgroup"
for n in 1 2 3 4 5 6 7 8 9 10; do
    echo "usage_usec $((900000000 + n * 1000))" > "$ROOT/new" && cat "$ROOT/new" > "$SCOPE/cpu.stat"
    sleep 0.1
done
"""


def test_the_cgroup_of_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COMMAND moves to a scope of its own: that is recorded from then on, and the change is no rate."""
    tree = Tree(tmp_path / "root")
    cgroup_v2(tree)
    scope = "sys/fs/cgroup/user.slice/run-u7.scope"
    tree.write(f"{scope}/cpu.stat", "usage_usec 900000000\n")
    tree.write(f"{scope}/memory.current", "8192\n")
    tree.write(f"{scope}/io.max", "8:0 rbps=5000000 wbps=max riops=max wiops=max\n")
    tree.write(f"{scope}/cpu.max", "50000 100000\n")
    monkeypatch.setenv("MPI_COLLECTOR_ROOT", str(tree.root))
    monkeypatch.setenv("ROOT", str(tree.root))
    monkeypatch.setenv("SCOPE", str(tree.root / scope))
    done = cli(
        *("collect", "--sources", "cgroup", "--timeseries-interval", "0.05", "--json", "never"),
        *("--report", "never", "--results-dir", tmp_path / "results", "--", "sh", "-c", JOB),
    )
    assert done.returncode == 0, done.stderr
    with mpi_collector.load(tmp_path / "results") as run:
        (host,) = run.values()
        usage = host.raw("cgroup.cpu.usage_us").tolist()
        memory = host.raw("cgroup.memory.memory_bytes").tolist()
        summary = document(run)
        limits = [e for e in host.meta["events"] if e["type"] == LIMITS]
    assert limits[-1]["io_max"] == ["8:0 rbps=5000000 wbps=max riops=max wiops=max"]
    assert limits[-1]["cpus_max"] == 0.5
    assert usage[0] == 1000 and usage[-1] > 900_000_000
    change = next(n for n, value in enumerate(usage) if value > 900_000_000)
    assert usage[change - 1] == MISSING
    assert memory[-1] == 8192
    (of_host,) = summary["hosts"].values()
    assert f"cgroup: read from /{scope} from here on" in of_host["notes"]
    assert [r for r in summary["verdict"]["reasons"] if "cgroup" in r] == []


def test_a_cgroup_that_is_removed_with_its_job(tmp_path: Path) -> None:
    """Nothing is left to read at the stop, which is in order."""
    tree = Tree(tmp_path / "root")
    cgroup_v2(tree)
    tree.write("sys/fs/cgroup/cpu.stat", "usage_usec 77000000\n")  # of another one, above it
    found = sampled(tree, tmp_path / "results", "cgroup", lambda: tree.remove("sys/fs/cgroup/job"))
    assert found.columns["cgroup.cpu.usage_us"][0] == 1000
    assert found.columns["cgroup.cpu.usage_us"][-1] is None
    assert found.about("cgroup") == []
