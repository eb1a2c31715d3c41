"""What came from memory, by what the job's processes asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from command_line import cli

from mpi_collector.node.status import OK, SKIPPED
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ROWS = 40
S = sy.S


def judged(tmp_path: Path, rate: float = 100e6, disk: float = 25e6, every: int = 1, late: int = 0, began: int = 4,
           marks: tuple[tuple[str, int, int], ...] = (), device: str = "command",
           in_flight: float = 0.0, written: float = 0.0, stored: float = 0.0,
           **levels: int) -> Any:  # fmt: skip
    """What limited a job that reads ``rate`` bytes per second from second 5 to second 35."""
    tick, times = sy.grid(ROWS)
    busy = np.zeros(len(times) - 1)
    busy[5:35] = 1
    read = sy.counter(rate * busy, times, 0)
    status = np.where((np.arange(len(tick)) % every == 0) | (tick < 0), OK, SKIPPED)
    status[:late] = SKIPPED
    columns = sy.disk("nvme0n1", times, disk * busy, stored * busy)
    weighted = "diskstats.nvme0n1.weighted_time_doing_ios_ms"
    columns[weighted] = sy.counter(1e3 * in_flight * np.ones(len(times) - 1), times, 0)
    columns[weighted.replace("weighted_", "")] = columns[weighted]  # one after the other
    for name in ("command", "user"):
        grown = read if name == device else np.zeros_like(read)
        columns[f"job.{name}.read_call_bytes"] = np.where(status == OK, grown, sy.MISSING)
        calls = sy.counter(written * busy, times, 0)
        columns[f"job.{name}.write_call_bytes"] = np.where(status == OK, calls, sy.MISSING)
        for gauge in ("processes", "not_files", "left_out"):
            level = levels.get(gauge, 2) if gauge == "processes" else levels.get(gauge, 0)
            columns[f"job.{name}.{gauge}"] = np.where(status == OK, level, sy.MISSING)
    host = sy.SynthHost(tick, times, columns, sources={"job": status})
    start = sy.START_NS
    more: dict[str, Any] = {"command_ns": [start + began * S, start + 36 * S]}
    more["marks"] = [m for n, a, b in marks for m in sy.pair(n, start + a * S, start + b * S)]
    with Recording(sy.write(tmp_path / "run.npz", [("node001", host)], **more)) as recording:
        return why(recording)


def share(tmp_path: Path, **how: Any) -> Any:
    """What came from memory, of the recording that ``judged`` makes."""
    (found,) = judged(tmp_path, **how)["cache"]
    return found


@pytest.mark.parametrize("every", [1, 4, 16, 64])
@pytest.mark.parametrize("device", ["command", "user"])
def test_command_is_exact_however_seldom_it_is_read(
    tmp_path: Path, every: int, device: str
) -> None:
    found = share(tmp_path, every=every, device=device)
    assert found["asked_bytes"] == pytest.approx(3e9, rel=0.001)
    assert found["from_memory_share"] == pytest.approx(0.75, abs=0.01)
    assert found["bound"] == 0.02


def test_a_phase_between_readings(tmp_path: Path) -> None:
    """Its bound is what the readings around it leave open; where that is much, nothing is known."""
    marks = (("epoch 1", 10, 30),)
    exact = share(tmp_path, marks=marks)
    assert exact["from_memory_share"] == pytest.approx(0.75, abs=0.01)
    assert exact["bound"] == 0.02
    near = share(tmp_path, every=2, marks=(("epoch 1", 9, 31),))
    assert near["from_memory_share"] == pytest.approx(0.75, abs=near["bound"])
    assert 0.02 < near["bound"] <= 0.12
    assert share(tmp_path, every=16, marks=marks)["from_memory_share"] is None


@pytest.mark.parametrize(
    "more", [{"not_files": 1}, {"left_out": 3}, {"disk": 150e6}, {"rate": 0.0}], ids=str
)
def test_what_is_not_known(tmp_path: Path, more: dict[str, Any]) -> None:
    """Pipes and sockets, processes that were not read, direct or mapped reads, nothing read."""
    found = share(tmp_path, **more)
    assert found["asked_bytes"] is None
    assert found["from_memory_share"] is None


def test_a_first_reading_after_command_has_begun(tmp_path: Path) -> None:
    """Before its begin COMMAND had asked for nothing; when it began before the rows, nobody knows."""
    found = share(tmp_path, late=12)
    assert found["asked_bytes"] == pytest.approx(3e9, rel=0.001)
    assert found["from_memory_share"] == pytest.approx(0.75, abs=0.01)
    found = share(tmp_path, late=12, began=-1)
    assert found["asked_bytes"] is None


def test_a_real_job(tmp_path: Path) -> None:
    """On a busy machine readings may not answer in time: then less is known, and never more."""
    data = tmp_path / "data"
    data.write_bytes(os.urandom(80_000_000))
    done = cli(
        "--timeseries-interval", "0.2", "--sources", "basic,stat,job", "--quiet",
        "--results-dir", tmp_path / "results", "--",
        "sh", "-c", f"cat {data} {data} > /dev/null; sleep 1; cat {data} > /dev/null",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results").glob("*_timeseries.npz")
    with Recording(path) as recording:
        (found,) = why(recording)["cache"]
        (host,) = recording.values()
        seen = host.statuses["job"] == OK
        counted = np.nan_to_num(host.value("job.command.read_call_bytes")[seen])
        user = np.nan_to_num(host.value("job.user.read_call_bytes")[seen])
    read = float(counted.max(initial=0.0) + user.max(initial=0.0))
    assert read <= 1.02 * 240e6
    if found["asked_bytes"] is None:
        assert found["from_memory_share"] is None
        return
    assert found["asked_bytes"] <= 1.02 * 240e6
    assert 0 <= found["from_memory_share"] <= 1
    if seen[-1] and counted[-1] and not (seen[0] and counted[0]):
        # what is said is what was counted up to the stop
        assert found["asked_bytes"] == pytest.approx(counted[-1], rel=0.02)


@pytest.mark.parametrize(
    ("how", "confidence"),
    [({}, "certain"), ({"rate": 0.0}, "likely"), ({"rate": 0.0, "not_files": 1}, "certain")],
    ids=str,
)
def test_io_that_is_not_the_jobs(tmp_path: Path, how: dict[str, Any], confidence: str) -> None:
    """A limit of storage is not certain where COMMAND asked for next to nothing, and that is said."""
    (claim, *_) = judged(tmp_path, in_flight=1.0, **how)["claims"]
    assert claim["cause"] == "latency"
    assert claim["confidence"] == confidence
    said = [e["text"] for e in claim["against"]]
    assert bool(said) == (confidence == "likely")
    assert not said or "COMMAND's read and write calls were 0 % of the 750 MB" in said[0]


@pytest.mark.parametrize(
    ("how", "known"),
    [
        ({"written": 100e6, "stored": 100e6}, False),  # dd if=/dev/zero of=FILE, or a copy
        ({"written": 100e6}, True),  # dd if=FILE of=/dev/null
        ({"written": 10e6, "stored": 10e6}, True),  # mostly reads
        ({"stored": 100e6}, True),  # somebody else writes
    ],
    ids=str,
)
def test_what_is_written_as_it_is_read(tmp_path: Path, how: dict[str, Any], known: bool) -> None:
    """What a short-lived writer reads may be /dev/zero: nothing is known of its share."""
    found = share(tmp_path, disk=0.0, **how)
    assert (found["from_memory_share"] is not None) == known
