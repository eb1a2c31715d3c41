"""Sources that are not there at the start: what comes later is recorded, or that it is not is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import living_tree as lt
import pytest

from mpi_collector.store.load import load

STEPS = 6
LUSTRE = "proc/fs/lustre/llite/lfs-ffff8a/stats"
PORT = "sys/class/infiniband/mlx5_0/ports/1/counters"
RAPL = "sys/class/powercap/intel-rapl:0"
LATER = 2  #: the step from which on it is there
PER_STEP = 10 << 20


def stats(n: int) -> str:
    """A client's calls: nothing of what was read before it came counts."""
    read = 10**12 + PER_STEP * n
    return f"snapshot_time 1.5 secs.nsecs\nread_bytes {9 + n} samples [bytes] 1 1048576 {read} 9\n"


def machine(n: int) -> dict[str, Any]:
    """A Lustre client, an adapter and RAPL, none of which is there at the start."""
    state: dict[str, Any] = lt.diskstats({"sda": {"reads_completed": n, "sectors_read": 8 * n}})
    if n >= LATER:
        state[LUSTRE] = stats(n)
        state[f"{PORT}/port_rcv_data"] = f"{10**9 + PER_STEP // 4 * n}\n"
        state[f"{RAPL}/name"] = "package-0\n"
        state[f"{RAPL}/energy_uj"] = f"{10**6 * n}\n"
    return state


def record(directory: Path, sources: str) -> lt.Recorded:
    states = [machine(n) for n in range(STEPS + 1)]
    return lt.record(
        directory, [states[0] | lt.disk_sysfs("sda"), *states[1:]], sources=sources, interval_s=0.1
    )


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    return record(tmp_path_factory.mktemp("named"), "diskstats,lustre,infiniband,power,slingshot")


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    return record(tmp_path_factory.mktemp("grouped"), "default")


@pytest.mark.parametrize(
    ("column", "begin", "step"),
    [
        ("lustre.llite/lfs-ffff8a.read_bytes_sum", 10**12, PER_STEP),
        ("infiniband.mlx5_0/1.port_rcv_data", 4 * 10**9, PER_STEP),
        ("power.package-0:intel-rapl.0.energy_uj", 0, 10**6),
    ],
)
def test_what_was_asked_for_by_name(named: lt.Recorded, column: str, begin: int, step: int) -> None:
    """It is looked for at the first readings, then every while: recorded from then on."""
    with load(named.path) as run:
        (host,) = run.values()
        known = [int(v) for v in host.raw(column) if v != -(2**63)]
        grown = host.delta(column)
    assert 2 <= len(known) < len(grown) + 1
    assert known[-1] == begin + STEPS * step
    assert max(grown[grown == grown]) <= 2 * step  # what was there before it came is no growth


def test_figures_begin_with_it(named: lt.Recorded) -> None:
    mount = named.devices["mount", "llite/lfs-ffff8a"]["figures"]["lustre_read_bytes_per_s"]
    assert mount["mean"] > 0
    assert named.summary["cluster"]["lustre_read_bytes_per_s"]["peak"] < 30 * PER_STEP * 10


@pytest.mark.parametrize("source", ["lustre", "infiniband", "power"])
def test_since_when_is_said(named: lt.Recorded, source: str) -> None:
    said = [r for r in named.summary["verdict_remarks"] if f" {source} " in r]
    assert len(said) == 1 and f"{source} there since " in said[0], said
    # on a busy machine a reading in a thread may be slow
    reasons = named.summary["verdict"]["reasons"]
    assert not [r for r in reasons if source in r and "slow" not in r]


def test_what_never_came(named: lt.Recorded) -> None:
    (said,) = (r for r in named.summary["verdict_remarks"] if "slingshot" in r)
    assert "slingshot is not recorded: " in said
    assert not [r for r in named.summary["verdict"]["reasons"] if "slingshot" in r]


def test_port_that_does_not_answer_any_more(tmp_path: Path) -> None:
    """Its files are there and give an error: unknown, where one whose driver is loaded again is gone."""
    other = PORT.replace("mlx5_0", "mlx5_1")

    def state(n: int) -> dict[str, Any]:
        files: dict[str, Any] = {f"{other}/port_rcv_data": f"{PER_STEP * n}\n"}
        files |= lt.diskstats({"sda": {"reads_completed": n}})
        if n < 3:
            files[f"{PORT}/port_rcv_data"] = f"{PER_STEP * n}\n"
        elif n == 3:  # a directory can be opened and not read
            files |= {f"{PORT}/port_rcv_data": None, f"{PORT}/port_rcv_data/x": "1\n"}
        return files

    states = [state(n) for n in range(STEPS + 3)]
    found = lt.record(tmp_path, states, sources="diskstats,infiniband")
    reasons = found.summary["verdict"]["reasons"]
    assert found.summary["verdict"]["verdict"] == "partial"
    assert [r for r in reasons if "infiniband mlx5_0/1: port_rcv_data unknown in " in r], reasons
    assert not [r for r in reasons if "mlx5_1" in r]
    assert any("mlx5_0/1 does not answer: Is a directory" in n for n in found.host["notes"])


def test_one_of_a_group_has_no_columns(grouped: lt.Recorded) -> None:
    """A row would be twice as long for what most hosts never have; that it came is said."""
    with load(grouped.path) as run:
        (host,) = run.values()
        assert not [c for c in host.columns if c.startswith(("lustre", "infiniband", "slingshot"))]
    for source in ("lustre", "infiniband"):
        (said,) = (r for r in grouped.summary["verdict_remarks"] if source in r)
        assert f"{source} is not recorded: it came during the run" in said
    assert not [r for r in grouped.summary["verdict_remarks"] if "slingshot" in r]
