"""Counters that are reset, wrap, jump, pass 2^53 or are read rarely: from kernel files to figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import living_tree as lt
import numpy as np
import pytest
from selection import first_of

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


def notes(found: lt.Recorded, about: str = "") -> list[str]:
    """What is said to be unknown, of one device or of all."""
    return [n for n in found.host["notes"] if "unknown" in n and about in n]


_WRAP = 2**32 - 25
_PAST_64_BITS = 2**64 - 3 * SECTORS
_JUMP = (0, 0, 0, 10**13, 10**13, 10**13)
#: {name: values after n steps} of disks, all of which are recorded at once
DISKS: dict[str, Callable[[int], Mapping[str, int]]] = {
    # sectors fall from just below 2^32, as a 32-bit counter would; the requests show the reset
    "reset": lambda n: {
        "sectors_read": (*(3_799_998_096 + SECTORS * k for k in range(4)), 2_048, 4_048)[n],
        "reads_completed": (30_000_000, 30_000_001, 30_000_002, 30_000_003, 1, 2)[n],
    },
    # what the others say of the interval holds for a counter that is higher than before, too
    "reset-passed": lambda n: {
        "sectors_read": (1000, 3000, 5000, 4_000_000, 4_002_000, 4_004_000)[n],
        "reads_completed": (500_000, 500_001, 500_002, 7, 8, 9)[n],
        "writes_completed": (900, 900, 900, 0, 0, 0)[n],
    },
    "reset-not-passed": lambda n: {
        "sectors_read": (1000, 3000, 5000, 5, 2005, 4005)[n],
        "reads_completed": (500_000, 500_001, 500_002, 7, 8, 9)[n],
        "writes_completed": (900, 900, 900, 0, 0, 0)[n],
    },
    # times of 32 bits wrap, two of them in one interval, while requests go on
    "wraps": lambda n: {
        "sectors_read": 10**6 + SECTORS * n,
        "reads_completed": 10**5 + 10 * n,
        "time_reading_ms": (_WRAP + 10 * n) % 2**32,
        "time_doing_ios_ms": (_WRAP + 10 * n) % 2**32,
        "weighted_time_doing_ios_ms": 12345 + 10 * n,
    },
    "past-64-bits": lambda n: {"sectors_read": (_PAST_64_BITS + SECTORS * n) % 2**64},
    # more than 128 GB/s in one interval
    "jumps": lambda n: {
        "sectors_read": SECTORS * n + _JUMP[n],
        "reads_completed": 10 * n + _JUMP[n] // 4,
    },
}


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    states: list[dict[str, Any]] = [
        lt.diskstats({name: values(n) for name, values in DISKS.items()}) for n in range(6)
    ]
    for name in DISKS:
        states[0] |= lt.disk_sysfs(name)
    return lt.record(tmp_path_factory.mktemp("disks"), states, sources="diskstats")


def read(found: lt.Recorded, disk: str) -> dict[str, float]:
    """The bytes per second that a disk read."""
    return dict(found.devices["disk", disk]["figures"]["read_bytes_per_s"])


@pytest.mark.parametrize("disk", ["reset", "reset-passed", "reset-not-passed"])
def test_reset_is_not_taken_for_a_wrap(disks: lt.Recorded, disk: str) -> None:
    assert read(disks, disk)["peak"] < 30 * STEP_BYTES
    (note,) = notes(disks, f"diskstats {disk}:")
    assert note.startswith(f"diskstats {disk}: the counters were reset; the interval up to ")


def test_times_of_disks_wrap_at_32_bits(disks: lt.Recorded) -> None:
    """No reset, and nothing is lost."""
    assert notes(disks, "wraps") == []
    latency = disks.devices["disk", "wraps"]["figures"]["read_latency_ms"]
    assert latency["mean"] == pytest.approx(1.0)
    moved = read(disks, "wraps")["mean"] * disks.summary["span_s"]
    assert moved == pytest.approx(5 * STEP_BYTES)


def test_64_bit_counter_passes_its_end(disks: lt.Recorded) -> None:
    assert notes(disks, "past-64-bits") == []
    moved = read(disks, "past-64-bits")["mean"] * disks.summary["span_s"]
    assert moved == pytest.approx(5 * STEP_BYTES)


def test_disk_that_jumps(disks: lt.Recorded) -> None:
    """The interval is left out, the disk's requests with it, and the total is unknown there."""
    assert read(disks, "jumps")["peak"] < 30 * STEP_BYTES
    assert disks.devices["disk", "jumps"]["figures"]["read_iops"]["peak"] < 30 * 10 * 10
    (note,) = notes(disks, "jumps")
    assert note.startswith("diskstats jumps: a counter grew more than is possible; ")
    assert disks.summary["cluster"]["read_bytes_per_s"]["coverage"] < 1


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


@pytest.mark.parametrize("mode", first_of("steal", "user", "iowait"))
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


@pytest.mark.parametrize("falls", first_of(True, False))
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
