"""Which recording of a directory is opened: the one that began last, in it or one level down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.errors import RecordingError

S = sy.S


def record(results: Path, zone: str) -> None:
    """Record for a moment with the wall clock of ``zone``."""
    subprocess.run(
        [sys.executable, "-m", "mpi_collector", "--duration", "0.1", "--timeseries-interval", "0.05",
         "--sources", "loadavg", "--results-dir", results, "--spool-dir", results.parent],
        env={**os.environ, "TZ": zone}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def test_the_newest_run_is_the_one_that_began_last(tmp_path: Path) -> None:
    """First Tokyo, whose clock shows a later time, then New York; flat and one level down."""
    results = tmp_path / "results"
    record(results, "Asia/Tokyo")
    record(results, "America/New_York")
    with mpi_collector.load(results) as run:
        assert run.run["environment"].get("TZ", "America/New_York") == "America/New_York"
        newest = run.run["start_ns"]
    starts = []
    for path in results.rglob("*_timeseries.npz"):
        with mpi_collector.load(path) as run:
            starts.append(run.run["start_ns"])
    assert len(starts) == 2 and newest == max(starts)


def suite_file(path: Path, start: str, samples_first: bool) -> None:
    """Write a time series as the suite (its keys first) or this program (its keys last) does."""
    sample = {"timestamp": start, "hostname": "a", "vmstat": {"pgfault": 1, "x" * 70_000: 1}}
    keys = {"collection_interval_seconds": 10.0, "start_time": start, "end_time": start}
    series = {"samples_by_host": {"a": [sample]}}
    path.write_text(json.dumps({**series, **keys} if samples_first else {**keys, **series}))


@pytest.mark.parametrize("samples_first", [True, False])
def test_the_newest_json(tmp_path: Path, samples_first: bool) -> None:
    suite_file(tmp_path / "training_20260105_210000_timeseries.json", "2026-01-05T12:00:00Z", samples_first)  # fmt: skip
    suite_file(tmp_path / "training_20260105_080000_timeseries.json", "2026-01-05T13:00:00Z", samples_first)  # fmt: skip
    with mpi_collector.load(tmp_path) as run:
        assert run.path.name == "training_20260105_080000_timeseries.json"


def test_what_cannot_be_read_counts_by_its_name(tmp_path: Path) -> None:
    """The newest one is damaged: that is reported, and no older one is taken in its place."""
    sy.cluster(tmp_path / "host_20260105_120000_timeseries.npz", 1, 4)
    (tmp_path / "host_20260105_130000_timeseries.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(RecordingError, match="host_20260105_130000"):
        mpi_collector.load(tmp_path)


def test_one_level_down_and_no_deeper(tmp_path: Path) -> None:
    """Hidden directories and files that are being written are left out."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    sy.cluster(deep / "host_20260105_120000_timeseries.npz", 1, 4)
    (tmp_path / ".trash").mkdir()
    shutil.copy(deep / "host_20260105_120000_timeseries.npz", tmp_path / ".trash")
    (tmp_path / "a" / ".host_20260105_120000_timeseries.npz").touch()
    with pytest.raises(RecordingError, match=r"no \*_timeseries.npz"):
        mpi_collector.load(tmp_path)
    with mpi_collector.load(tmp_path / "a") as run:
        assert run.path.parent == deep
