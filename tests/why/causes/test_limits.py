"""Limits above a device, from columns that are made by hand: throttles and memory limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node.host.snapshot import take
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ROWS = 41
MODES = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")


def limited_by(
    tmp_path: Path, columns: dict[str, float], io_max: tuple[str, ...] = (), **levels: float
) -> Any:
    """What limits a host of four idle CPUs. ``columns``: counters, per second; ``levels``: gauges."""
    tick, times = sy.grid(ROWS)
    rates = {f"stat.cpu.{mode}": 0.0 for mode in MODES} | {"stat.cpu.idle": 400.0}
    rates |= {f"stat.cpu{n}.{mode}": 0.0 for n in range(4) for mode in MODES}
    rates |= {f"stat.cpu{n}.idle": 100.0 for n in range(4)}
    found = {name: sy.counter(rate, times) for name, rate in (rates | columns).items()}
    found |= {n.replace("__", "."): np.full(len(times), v, np.int64) for n, v in levels.items()}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/diskstats").write_text(f"7 0 loop0{' 0' * 17}\n")
    snapshot: Any = take((), str(tmp_path))
    snapshot["cgroup_limits"]["io_max"] = list(io_max)
    host = sy.SynthHost(tick, times, found, {"snapshot": snapshot})
    with Recording(sy.write(tmp_path / "run.npz", [("node1", host)])) as recording:
        return why(recording)["limited_by"]


def disk(read: float, in_flight: float, block: float = 65536) -> dict[str, float]:
    """diskstats of loop0 in bytes per second."""
    requests = read / block
    return {
        "diskstats.loop0.reads_completed": requests,
        "diskstats.loop0.sectors_read": read / 512,
        "diskstats.loop0.time_reading_ms": in_flight * 1e3,
        "diskstats.loop0.writes_completed": 0.0,
        "diskstats.loop0.sectors_written": 0.0,
        "diskstats.loop0.time_writing_ms": 0.0,
        "diskstats.loop0.time_doing_ios_ms": min(in_flight, 1.0) * 1e3,
        "diskstats.loop0.weighted_time_doing_ios_ms": in_flight * 1e3,
    }


@pytest.mark.parametrize("limit", ["rbps=5000000", "riops=77", "rbps=5000000 riops=900"])
def test_an_io_limit_of_the_cgroup(tmp_path: Path, limit: str) -> None:
    found = limited_by(tmp_path, disk(4.9e6, 0.03), (f"7:0 {limit}",))
    assert (found["cause"], found["device"]) == ("cgroup", "loop0")
    assert found["ceiling"]["kind"] == "declared"


@pytest.mark.parametrize("limit", ["rbps=50000000", "riops=900", "wbps=100", "rbps=1000000"])
def test_a_limit_that_is_not_reached_or_not_of_the_device(tmp_path: Path, limit: str) -> None:
    found = limited_by(tmp_path, disk(4.9e6, 0.03), (f"7:0 {limit}",))
    assert found is None or found["cause"] != "cgroup"


@pytest.mark.parametrize(("in_flight", "cause"), [(0.03, "device"), (0.95, "latency")])
def test_one_task_that_waits(tmp_path: Path, in_flight: float, cause: str) -> None:
    """Without a request in flight it is held back above the device, by what is not recorded."""
    columns = disk(2e6, in_flight, 1 << 20) | {"pressure.io.some_us": 0.97e6}
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=1)
    assert (found["cause"], found["device"]) == (cause, "loop0")


@pytest.mark.parametrize("hits", ["memory_limit_hits", "events_max"])
@pytest.mark.parametrize(("again", "cause"), [(0.6, "cgroup"), (0.0, "latency")])
def test_a_memory_limit(tmp_path: Path, hits: str, again: float, cause: str) -> None:
    """Reached by reading alone it does no harm; where evicted pages are read again it does."""
    columns = disk(300e6, 1.5) | {
        f"cgroup.memory.{hits}": 60_000.0,
        "vmstat.workingset_refault_file": again * 300e6 / 4096,
    }
    assert limited_by(tmp_path, columns)["cause"] == cause
