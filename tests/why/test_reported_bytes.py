"""What came from memory, by what the benchmark's own log says that it read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from command_line import cli

from mpi_collector.benchmark.readers import read_report
from mpi_collector.node.host.snapshot import take
from mpi_collector.store.load import load
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

S = sy.S
MARKED = list[tuple[str, float, float, int | None]]


def shares(
    tmp_path: Path, phases: MARKED, read: float = 100e6, hosts: int = 1, mount: str = ""
) -> dict[str, Any]:
    """{phase: what came from memory}, where disks read so much a second from second 5 to 35."""
    tick, times = sy.grid(40)
    busy = np.zeros(len(times) - 1)
    busy[5:35] = 1
    snapshot: Any = take((), str(tmp_path))
    if mount:
        row = {"device": "x", "mount_point": "/mnt", "fs_type": mount, "options": "rw"}
        snapshot["mounts"] = [{**row, "dump_freq": 0, "pass_num": 0}]
    made = [
        (
            f"node{n}",
            sy.SynthHost(
                tick,
                times,
                sy.disk("nvme0n1", times, read * busy, 0 * busy),
                {"snapshot": snapshot},
            ),
        )
        for n in range(hosts)
    ]
    marks = []
    for name, begin, end, told in phases:
        pair = sy.pair(name, round(sy.START_NS + begin * S), round(sy.START_NS + end * S))
        if told is not None:
            pair[0]["read_bytes"] = told
        marks += pair
    with Recording(sy.write(tmp_path / "run.npz", made, marks=marks)) as recording:
        return {c["phase"]: c for c in why(recording)["cache"]}


@pytest.mark.parametrize(
    ("told", "share"), [(2_000_000_000, 0.0), (4_000_000_000, 0.5), (2_020_000_000, 0.01)]
)
def test_asked_in_the_log_against_the_disks(tmp_path: Path, told: int, share: float) -> None:
    found = shares(tmp_path, [("fio a", 10, 30, told)])["fio a"]
    assert found["asked_bytes"] == told
    assert found["from_memory_share"] == pytest.approx(share, abs=0.02)
    assert found["bound"] <= 0.03


def test_edges_within_intervals_are_in_the_bound(tmp_path: Path) -> None:
    found = shares(tmp_path, [("fio a", 10.5, 30.5, 4_000_000_000)])["fio a"]
    assert found["from_memory_share"] == pytest.approx(0.5, abs=0.001)
    assert found["bound"] == pytest.approx(0.02 + 0.1 / 4, abs=0.002)
    assert (
        shares(tmp_path, [("fio a", 10.5, 14.5, 800_000_000)])["fio a"]["from_memory_share"] is None
    )


def test_two_stretches_of_one_name_are_added(tmp_path: Path) -> None:
    phases: MARKED = [("fio a", 10, 15, 1_000_000_000), ("fio a", 20, 25, 1_000_000_000)]
    assert shares(tmp_path, phases)["fio a"]["asked_bytes"] == 2_000_000_000
    phases[1] = ("fio a", 20, 25, None)  # one log says nothing
    assert shares(tmp_path, phases)["fio a"]["asked_bytes"] is None


@pytest.mark.parametrize(("other", "known"), [(500_000_000, False), (0, True), (None, True)])
def test_two_jobs_that_read_at_the_same_time(
    tmp_path: Path, other: int | None, known: bool
) -> None:
    """Of the disks it is not known for whom they read; a writer and a phase of the user do not count."""
    found = shares(tmp_path, [("fio a", 10, 30, 2_000_000_000), ("fio b", 20, 30, other)])
    assert (found["fio a"]["asked_bytes"] is not None) == known


def test_of_several_hosts_a_log_says_nothing(tmp_path: Path) -> None:
    assert (
        shares(tmp_path, [("fio a", 10, 30, 4_000_000_000)], hosts=2)["fio a"]["asked_bytes"]
        is None
    )


@pytest.mark.parametrize("kind", ["ceph", "9p", "fuse.juicefs", "virtiofs"])
def test_a_file_system_that_no_source_counts(tmp_path: Path, kind: str) -> None:
    """What it delivered is not told from the page cache."""
    found = shares(tmp_path, [("fio a", 10, 30, 4_000_000_000)], mount=kind)["fio a"]
    assert found["from_memory_share"] is None
    found = shares(tmp_path, [("fio a", 10, 30, 4_000_000_000)], mount="xfs")["fio a"]
    assert found["from_memory_share"] == pytest.approx(0.5, abs=0.02)


def test_more_delivered_than_asked_is_not_the_jobs(tmp_path: Path) -> None:
    assert shares(tmp_path, [("fio a", 10, 30, 1_000_000_000)])["fio a"]["asked_bytes"] is None


def test_fio_that_read_before_it_counted(tmp_path: Path) -> None:
    fixture = Path(__file__).resolve().parents[1] / "fixtures/readers/fio-3.33.json"
    document = json.loads(fixture.read_text())
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert [p.read_bytes for p in read_report(tmp_path / "a.json")] == [0, 1058275328]
    document["global options"]["ramp_time"] = "5"
    (tmp_path / "b.json").write_text(json.dumps(document))
    assert [p.read_bytes for p in read_report(tmp_path / "b.json")] == [None, None]


def test_elbencho_whose_rows_agree(tmp_path: Path) -> None:
    fixture = Path(__file__).resolve().parents[1] / "fixtures/readers/elbencho-3-livecsv.csv"
    text = fixture.read_text()
    (tmp_path / "a.csv").write_text(text)
    assert [p.read_bytes for p in read_report(tmp_path / "a.csv")] == [None, None]
    mended = text.replace("READ,2000,Total,Read,2,2048,", f"READ,2000,Total,Read,2,{353_000_000},")
    (tmp_path / "b.csv").write_text(mended)
    assert [p.read_bytes for p in read_report(tmp_path / "b.csv")] == [None, 353_000_000]


@pytest.mark.skipif(shutil.which("fio") is None, reason="needs fio")
@pytest.mark.parametrize("engine", ["psync", "libaio", "mmap"])
def test_a_real_fio_on_a_warm_file(engine: str, tmp_path: Path) -> None:
    """All that it read came from memory, whatever calls it made; marked later, it is the same."""
    data, log = tmp_path / "data", tmp_path / "fio.json"
    data.write_bytes(os.urandom(64 << 20))
    data.read_bytes()
    done = cli(
        "--timeseries-interval", "0.25", "--sources", "basic,stat", "--quiet",
        "--results-dir", tmp_path / "results", "--",
        "fio", "--name=warm", f"--filename={data}", "--rw=read", "--bs=1m", f"--ioengine={engine}",
        "--invalidate=0", "--time_based", "--runtime=3", "--output-format=json+", f"--output={log}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results").glob("*_timeseries.npz")
    with load(path) as recording:
        document = why(recording)
    told = json.loads(log.read_text())["jobs"][0]["read"]["io_bytes"]
    (found,) = [c for c in document["cache"] if c["phase"] == "fio warm"]
    assert found["asked_bytes"] == told
    assert found["from_memory_share"] > 0.5  # other programs read meanwhile
    assert any(c["cause"] == "page cache" for c in document["claims"])
