"""A host loses power in the middle: without --replicate its rows are gone, with it they are there up to the last time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from bed import Bed, Mpi, poll
from selection import all_tests

import mpi_collector

INTERVAL_S = 0.1
#: seconds of --replicate, and after how many the host loses power
TIMES = [(1, 4), (10, 15)] if all_tests() else [(1, 4)]


@pytest.mark.parametrize(("every_s", "off_s"), TIMES)
@pytest.mark.parametrize("transport", ["openmpi", "mpich", "ssh"])
def test_a_host_loses_power(
    bed: Bed,
    request: pytest.FixtureRequest,
    transport: str,
    every_s: int,
    off_s: int,
    figure: Callable[[str], None],
) -> None:
    """Its rows up to the last --replicate are in the files, the others' are whole, and the job's exit code is its own."""
    mpi: Mpi = request.getfixturevalue("openmpi" if transport == "ssh" else transport)
    results = bed.directory("power")
    common = ["--timeseries-interval", str(INTERVAL_S), "--replicate", str(every_s), "--gather-timeout", "4",
              "--results-dir", str(results)]  # fmt: skip
    command = ["--", "sh", "-c", f"sleep {off_s + 4}; exit 7"]
    if transport == "ssh":
        words = [
            mpi.python,
            "-m",
            "mpi_collector",
            "kvcache",
            "run",
            "--hosts",
            "node[1-3]",
            *common,
            *command,
        ]
        job = bed.start(0, words)
    else:
        job = bed.start(1, mpi.collect(3, bed.hostfile(mpi, (1, 2, 3)), *common, *command))
    job.recording()
    time.sleep(off_s)
    try:
        bed.power_off(2)
        off_ns = time.time_ns()
        job.finish(90)
    finally:
        bed.power_on(2)
    assert "Traceback" not in job.err, job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"], job.err
        assert run.run["command_exit_code"] == 7
        assert list(run.run["hosts_partial"]) == ["node2"]
        assert "--replicate" in run.run["hosts_partial"]["node2"]
        assert run.run["verdict"]["verdict"] == "partial"
        lost_s = (off_ns - int(run["node2"].timestamp_ns[-1])) / 1e9
        ticks = run["node2"].tick.tolist()
        assert ticks == list(range(len(ticks)))
        # how far the copy is behind depends on the machine's load: reported below, here by ticks
        before = [t for t in run["node1"].timestamp_ns.tolist() if t <= off_ns]
        assert len(ticks) >= len(before) / 2, (len(ticks), len(before), lost_s)
        for other in ("node1", "node3"):
            assert run[other].tick.tolist()[-2] >= ticks[-1] + 20
            assert run[other].tick.tolist() == [*range(len(run[other].tick) - 1), -1]
    figure(
        f"{transport}: power loss with --replicate {every_s}: {len(ticks)} ticks kept, the last {lost_s:.1f} s before it"
    )
    poll("nobody left", 15, lambda: not bed.all_ranks())
    launch_side = bed.spools(1) if transport != "ssh" else []
    assert launch_side == []


_CLASS = """
import json, sys, time
from mpi_collector.mlpstorage import MultiHostTimeSeriesCollector
series = MultiHostTimeSeriesCollector(["node1", "node2", "node3"], interval_seconds=0.5)
series.start()
print("started", flush=True)
time.sleep(6)
begin = time.monotonic()
found = series.stop()
print(json.dumps({"stop_s": time.monotonic() - begin, "found": found, "with_data": series.get_hosts_with_data()}))
"""


def test_a_host_loses_power_under_the_suites_class(bed: Bed, openmpi: Mpi) -> None:
    """Its samples up to the last copy, at every interval, are returned; the stop takes the interval and 10 s at most."""
    program = bed.share / "class.py"
    program.write_text(_CLASS)
    job = bed.start(0, [openmpi.python, str(program)])
    poll("the start", 30, lambda: b"started" in job.out)
    time.sleep(3)
    try:
        bed.power_off(2)
        off_ns = time.time_ns()
        job.finish(60)
    finally:
        bed.power_on(2)
    assert job.process.returncode == 0, job.err
    said = json.loads(job.out.splitlines()[-1])
    assert said["stop_s"] < 0.5 + 10
    assert said["with_data"] == ["node1", "node2", "node3"]
    *kept, error = said["found"]["node2"]
    assert [s["tick"] for s in kept] == list(range(len(kept)))
    assert len(kept) >= 3
    assert all("diskstats" in s and s["timestamp_ns"] <= off_ns for s in kept)
    assert list(error["errors"]) == ["ssh"]
    for host in ("node1", "node3"):
        assert said["found"][host][-1]["tick"] == -1
        assert said["found"][host][-1]["timestamp_ns"] > off_ns
