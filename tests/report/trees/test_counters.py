"""Counters that are reset, wrap, jump, pass 2^53 or are read rarely: from kernel files to figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import living_tree as lt
import numpy as np
import pytest

from mpi_collector.store.load import load

SECTORS = 2000  #: read in a step
STEP_BYTES = 512 * SECTORS
MODES = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
)


def disk_steps(values: Callable[[int], Mapping[str, int]], steps: int = 6) -> list[dict[str, Any]]:
    """States of one disk, sda, with ``values(n)`` after n steps."""
    first: dict[str, Any] = lt.diskstats({"sda": values(0)}) | lt.disk_sysfs("sda")
    return [first, *(lt.diskstats({"sda": values(n)}) for n in range(1, steps))]


def record_disk(directory: Path, values: Callable[[int], Mapping[str, int]]) -> lt.Recorded:
    return lt.record(directory, disk_steps(values), sources="diskstats")


def notes(found: lt.Recorded) -> list[str]:
    return [n for n in found.host["notes"] if "unknown" in n]


def test_reset_is_not_taken_for_a_wrap(tmp_path: Path) -> None:
    """Sectors fall from just below 2^32, as a 32-bit counter would; the requests show the reset."""
    sectors = [3_799_998_096 + SECTORS * n for n in range(4)] + [2_048, 2_048 + SECTORS]
    reads = [30_000_000, 30_000_001, 30_000_002, 30_000_003, 1, 2]
    found = record_disk(
        tmp_path, lambda n: {"sectors_read": sectors[n], "reads_completed": reads[n]}
    )
    peak = found.peak("read_bytes_per_s")
    assert peak is not None and peak < 30 * STEP_BYTES
    (note,) = notes(found)
    assert note.startswith("diskstats sda: the counters were reset; the interval up to ")


@pytest.mark.parametrize("again", [5, 4_000_000])
def test_reset_that_some_counters_have_passed_again(tmp_path: Path, again: int) -> None:
    """What the others say of the interval holds for a counter that is higher than before, too."""
    sectors = [1000, 3000, 5000, again, again + 2000, again + 4000]
    reads = [500_000, 500_001, 500_002, 7, 8, 9]
    writes = [900, 900, 900, 0, 0, 0]
    found = record_disk(
        tmp_path,
        lambda n: {
            "sectors_read": sectors[n],
            "reads_completed": reads[n],
            "writes_completed": writes[n],
        },
    )
    peak = found.peak("read_bytes_per_s")
    assert peak is not None and peak < 30 * STEP_BYTES
    assert len(notes(found)) == 1


def test_times_of_disks_wrap_at_32_bits(tmp_path: Path) -> None:
    """Two of them in one interval, while requests go on: no reset, and nothing is lost."""
    base = 2**32 - 25
    found = record_disk(
        tmp_path,
        lambda n: {
            "sectors_read": 10**6 + SECTORS * n,
            "reads_completed": 10**5 + 10 * n,
            "time_reading_ms": (base + 10 * n) % 2**32,
            "time_doing_ios_ms": (base + 10 * n) % 2**32,
            "weighted_time_doing_ios_ms": 12345 + 10 * n,
        },
    )
    assert notes(found) == []
    assert found.mean("read_latency_ms") == pytest.approx(1.0)
    assert found.moved("read_bytes_per_s") == pytest.approx(5 * STEP_BYTES)


def test_64_bit_counter_passes_its_end(tmp_path: Path) -> None:
    base = 2**64 - 3 * SECTORS
    found = record_disk(tmp_path, lambda n: {"sectors_read": (base + SECTORS * n) % 2**64})
    assert notes(found) == []
    assert found.moved("read_bytes_per_s") == pytest.approx(5 * STEP_BYTES)


def test_disk_that_jumps(tmp_path: Path) -> None:
    """More than 128 GB/s in one interval: it is left out, the disk's requests with it."""
    jump = [0, 0, 0, 10**13, 10**13, 10**13]
    found = record_disk(
        tmp_path,
        lambda n: {"sectors_read": SECTORS * n + jump[n], "reads_completed": 10 * n + jump[n] // 4},
    )
    peak = found.peak("read_bytes_per_s")
    assert peak is not None and peak < 30 * STEP_BYTES
    (note,) = notes(found)
    assert note.startswith("diskstats sda: a counter grew more than is possible; ")
    assert found.summary["cluster"]["read_bytes_per_s"]["coverage"] < 1


def test_interface_that_jumps_beyond_its_link(tmp_path: Path) -> None:
    """10 Gbit/s is 1.25 GB/s; what a driver that was loaded again shows is no traffic."""

    def state(n: int) -> dict[str, str]:
        eth0 = 10**6 * n + (10**10 if n > 3 else 0)
        return lt.diskstats({}) | lt.netdev({"lo": (0, 0), "eth0": (eth0, 10**6 * n)})

    first = state(0) | lt.net_sysfs("eth0") | {"sys/class/net/eth0/speed": "10000\n"}
    found = lt.record(tmp_path, [first, *(state(n) for n in range(1, 6))])
    peak = found.peak("net_rx_bytes_per_s")
    assert peak is not None and peak < 2e8
    assert any(n.startswith("netdev eth0: a counter grew more") for n in notes(found))


def cpu_states(
    change: Callable[[int], Mapping[str, int]], cpus: int, steps: int = 8
) -> list[dict[str, str]]:
    """/proc/stat of ``cpus`` CPUs, each with ``change(n)`` ticks of every mode in step n."""
    states = []
    total = dict.fromkeys(MODES, 0)
    for n in range(steps):
        for mode, ticks in change(n).items():
            total[mode] += ticks
        every = " ".join(str(cpus * total[m]) for m in MODES)
        lines = [f"cpu  {every}"]
        lines += [f"cpu{k} {' '.join(str(total[m]) for m in MODES)}" for k in range(cpus)]
        text = "\n".join([*lines, "ctxt 1", "btime 1700000000", "processes 1", ""])
        states.append({"proc/stat": text})
    return states


def record_cpu(
    directory: Path, change: Callable[[int], Mapping[str, int]], cpus: int = 4
) -> lt.Recorded:
    states = cpu_states(change, cpus)
    return lt.record(directory, states, sources="stat", interval_s=0.2, clock="proc/stat")


@pytest.mark.parametrize("mode", ["steal", "user", "iowait"])
def test_impossible_cpu_time(tmp_path: Path, mode: str) -> None:
    """4 CPUs 25 % busy, and in one interval 1.8e15 ticks more: unknown there, 25 % elsewhere."""
    found = record_cpu(
        tmp_path,
        lambda n: {"user": 5, "idle": 15} | ({mode: 1_800_000_000_000_000} if n == 3 else {}),
    )
    assert found.mean("cpu_busy_percent") == pytest.approx(25)
    assert found.peak("cpu_busy_percent") == pytest.approx(25)
    assert found.mean("cpu_steal_percent") == pytest.approx(0)
    assert any(n.startswith("stat cpu: a counter grew more than is possible") for n in notes(found))


@pytest.mark.parametrize("falls", [True, False])
def test_cpu_time_that_falls(tmp_path: Path, falls: bool) -> None:
    """Idle may decrease by a tick; by hours in one interval, while steal makes up for it, no."""
    fall = {"idle": -(10**9), "steal": 10**9} if falls else {"idle": 16, "iowait": -1}
    found = record_cpu(
        tmp_path,
        lambda n: (
            {"user": 5, "idle": 15}
            | ({"idle": 10**12, "iowait": 50} if not n else fall if n == 3 else {})
        ),
    )
    assert found.mean("cpu_busy_percent") == pytest.approx(25)
    assert found.peak("cpu_busy_percent") == pytest.approx(25)


def test_counters_above_2_to_the_53(tmp_path: Path) -> None:
    """Differences of large integers are exact."""
    found = record_cpu(
        tmp_path,
        lambda n: {"user": 5, "idle": 15 + (11732815868058135187 if not n else 0)},
        cpus=1,
    )
    assert found.mean("cpu_busy_percent") == pytest.approx(25)


def test_source_that_is_read_at_every_fourth_tick(tmp_path: Path) -> None:
    """Host.rate gives the rate between the rows that were read, in each interval between them."""
    group = "sys/class/powercap/intel-rapl:0"

    def state(n: int) -> dict[str, str]:
        return lt.diskstats({"sda": {}}) | {f"{group}/energy_uj": f"{10**6 * n}\n"}

    first = state(0) | {f"{group}/name": "package-0\n"} | lt.disk_sysfs("sda")
    found = lt.record(
        tmp_path, [first, *(state(n) for n in range(1, 14))], sources="diskstats,power"
    )
    with load(found.path) as recording:
        (host,) = recording.values()
        (name,) = (c for c in host.columns if c.endswith("energy_uj"))
        rate = host.rate(name)
        seconds = np.diff(host.timestamp_ns) * 1e-9
    assert np.isfinite(rate).all()
    assert (rate * seconds).sum() == pytest.approx(13 * 10**6)
