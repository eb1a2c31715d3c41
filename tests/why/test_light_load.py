"""The time of a request at light load, learned from another phase of the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ROWS = 60
DEEP = {
    "iops": 16_000.0,
    "in_flight": 8.0,
}  #: 0.5 ms each: four times the usual time of an NVMe drive


def limit(tmp_path: Path, first: dict[str, float], name: str = "nvme0n1") -> Any:
    """What limits the second phase, ``DEEP`` reads of 4 KiB, after a first one."""
    tick, times = sy.grid(ROWS)
    late = np.arange(len(times) - 1) >= 30
    rates = {}
    for key, other in (("iops", 2000.0), ("in_flight", 1.0), ("bytes", 4096.0), ("reads", 1.0)):
        deep = {**DEEP, "bytes": 4096.0, "reads": 1.0}[key]
        rates[key] = np.where(late, deep, first.get(key, other))
    reads, writes = rates["iops"] * rates["reads"], rates["iops"] * (1 - rates["reads"])
    of_disk = {
        "reads_completed": reads,
        "writes_completed": writes,
        "sectors_read": reads * rates["bytes"] / 512,
        "sectors_written": writes * rates["bytes"] / 512,
        "time_reading_ms": 1e3 * rates["in_flight"] * rates["reads"],
        "time_writing_ms": 1e3 * rates["in_flight"] * (1 - rates["reads"]),
        "time_doing_ios_ms": 1e3 * np.minimum(rates["in_flight"], 1),
        "weighted_time_doing_ios_ms": 1e3 * rates["in_flight"],
    }
    columns = {f"diskstats.{name}.{c}": sy.counter(rate, times) for c, rate in of_disk.items()}
    begin, middle, end = (sy.START_NS + s * sy.S for s in (1, 30, ROWS - 1))
    marks = [*sy.pair("one", begin, middle), *sy.pair("deep", middle, end)]
    host = sy.SynthHost(tick, times, columns)
    with Recording(sy.write(tmp_path / "run.npz", [("node1", host)], marks=marks)) as recording:
        found = [c for c in why(recording)["claims"] if c["phase"] == "deep"]
    return found[0]


def test_a_drive_that_is_slower_than_usual_is_no_queue(tmp_path: Path) -> None:
    """One request took as long alone: eight at once are served at once."""
    assert limit(tmp_path, {})["cause"] == "latency"


@pytest.mark.parametrize(
    "first",
    [{"bytes": 65536.0}, {"bytes": 512.0}, {"reads": 0.0}, {"in_flight": 0.0, "iops": 0.0}, {"in_flight": 4.0}],
    ids=["larger", "smaller", "writes", "idle", "not light"],
)  # fmt: skip
def test_other_requests_say_nothing(tmp_path: Path, first: dict[str, float]) -> None:
    found = limit(tmp_path, first)
    assert found["cause"] == "device"
    assert "the usual one of such a drive" in found["for"][1]["text"]


def test_a_queue_is_seen_by_the_time_of_one_request(tmp_path: Path) -> None:
    """A virtual drive, whose usual time is longer than that of its queue: 0.8 ms."""
    found = limit(tmp_path, {"iops": 10_000.0}, "vda")
    assert found["cause"] == "device"
    assert "5.0 × its value at light load in this run" in found["for"][1]["text"]
