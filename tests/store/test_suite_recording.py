"""Recordings read from the suite's own time series, and from ours in that format."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from command_line import cli
from hypothesis import given, settings
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.errors import RecordingError
from mpi_collector.store.suite_recording import load_suite

S = sy.S


def suite_document() -> dict[str, object]:
    def sample(n: int, host: str) -> dict[str, object]:
        return {
            "timestamp": f"2026-01-05T12:00:{10 * n:02}Z",
            "hostname": host,
            "diskstats": [
                {
                    "device_name": "nvme0n1",
                    "reads_completed": 100 * n,
                    "sectors_read": 2000 * n,
                    "time_reading_ms": 50 * n,
                    "reads_merged": 0,
                    "writes_completed": 0,
                    "writes_merged": 0,
                    "sectors_written": 0,
                    "time_writing_ms": 0,
                    "ios_in_progress": 0,
                    "time_doing_ios_ms": 0,
                    "weighted_time_doing_ios_ms": 0,
                }
            ],
            "vmstat": {"pgfault": n},
            "meminfo": {"MemTotal": 1000, "MemFree": 500, "Buffers": 1, "Cached": 2},
            "loadavg": {
                "load_1min": 0.5,
                "load_5min": 0.25,
                "load_15min": 0.0,
                "running_processes": 1,
                "total_processes": 9,
            },
            "netdev": [{"interface_name": "eth0", "rx_bytes": 10 * n, "tx_bytes": 2**64 - 5 + n}],
        }

    return {
        "collection_interval_seconds": 10.0,
        "start_time": "2026-01-05T12:00:00Z",
        "end_time": "2026-01-05T12:00:50Z",
        "num_samples": 12,
        "samples_by_host": {
            "a": [sample(n, "a") for n in range(6)],
            "b": [sample(n, "b") for n in range(6)],
            "c": [{"timestamp": "2026-01-05T12:00:00Z", "hostname": "c", "errors": {"ssh": "no"}}],
        },
        "collection_method": "ssh",
        "hosts_requested": ["a", "b", "c"],
        "hosts_collected": ["a", "b"],
    }


def test_the_suites_own_file(tmp_path: Path) -> None:
    """Loaded, summarised, and unreachable hosts are not hosts."""
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(suite_document()))
    with mpi_collector.load(path) as run:
        assert list(run) == ["a", "b"]
        assert run["a"].rate("diskstats.nvme0n1.sectors_read").tolist() == [200.0] * 5
        assert run["a"].raw("loadavg.load_1min").tolist() == [50] * 6
        assert run["a"].value("netdev.eth0.tx_bytes")[0] == 2.0**64 - 5
        assert run.run["verdict"]["verdict"] == "partial"
    with mpi_collector.load(tmp_path) as run:
        assert len(run) == 2
    done = cli("compare", path, path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["figures"]["read_bytes_per_s"]["a"] == pytest.approx(2 * 200 * 512)


def test_our_own_json_gives_the_same_values(tmp_path: Path) -> None:
    import time

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True, sources="basic"
    ):
        time.sleep(0.4)
    with (
        mpi_collector.load(tmp_path) as native,
        load_suite(next(tmp_path.glob("*_timeseries.json"))) as other,
    ):
        (mine,), (theirs,) = native.values(), other.values()
        for column in theirs.columns:
            assert np.array_equal(mine.raw(column), theirs.raw(column)), column
            assert (mine.unit(column), mine.kind(column)) == (
                theirs.unit(column),
                theirs.kind(column),
            )
        assert mine.timestamp_ns.tolist() == theirs.timestamp_ns.tolist()
        assert mine.tick.tolist() == theirs.tick.tolist()
        assert (
            abs(native.run["start_ns"] - other.run["start_ns"]) < S
        )  # the time of tick 0, by the lateness of the first row


def test_our_own_json_has_cpu_and_ticks(tmp_path: Path) -> None:
    """CPU figures are the same (devices may be counted otherwise: the JSON has no topology); decimated ticks stay where they were."""
    import time

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True, max_samples=8
    ):
        time.sleep(1)
    mine, theirs = (
        json.loads(cli("summary", next(tmp_path.glob(f"*_timeseries.{x}")), "--json").stdout)[
            "cluster"
        ]
        for x in ("npz", "json")
    )
    assert theirs["cpu_busy_percent"]["mean"] == pytest.approx(mine["cpu_busy_percent"]["mean"])
    with (
        mpi_collector.load(tmp_path) as native,
        load_suite(next(tmp_path.glob("*_timeseries.json"))) as other,
    ):
        (here,), (there,) = native.values(), other.values()
        assert max(here.tick.tolist()) > 8
        assert here.tick.tolist() == there.tick.tolist()


def test_rows_of_the_suite_line_up(tmp_path: Path) -> None:
    """A host that lacks a sample does not shift its later ones; a round that takes longer than the interval drifts."""
    document: dict[str, Any] = suite_document()
    del document["samples_by_host"]["b"][2]
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 2, 3, 4, 5]
        assert run["b"].tick.tolist() == [0, 1, 3, 4, 5]
    document["collection_interval_seconds"] = 8.0
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 3, 4, 5, 6]
    document["collection_interval_seconds"] = 60.0
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 2, 3, 4, 5]


def gaps_document() -> dict[str, Any]:
    """1, 3 and 2 samples of the 6 that were due, as the suite's collector leaves them with slow hosts."""
    document: dict[str, Any] = suite_document()
    by_host = document["samples_by_host"]
    every = by_host["a"]
    document["samples_by_host"] = {
        host: [{**every[n], "hostname": host} for n in ticks]
        for host, ticks in {"a": [0], "b": [0, 2, 5], "c": [1, 3]}.items()
    }
    document["num_samples"] = 6
    return document


def test_samples_that_are_missing(tmp_path: Path) -> None:
    """They are counted from interval and span; what the file does not say is a dash."""
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(gaps_document()))
    with load_suite(path) as run:
        assert {key: f["missed"] for key, f in run.run["facts"].items()} == {"a": 5, "b": 3, "c": 4}
        assert run.run["verdict"]["verdict"] == "partial"
        assert run.run["verdict"]["reasons"][:2] == [
            "a: 5 of 6 ticks missed",
            "b: 3 of 6 ticks missed",
        ]
        assert run.run["end_ns"] - run.run["start_ns"] == 50 * S
        assert (run["a"].array("clock_bound_ns") < 0).all()
    done = cli("summary", path)
    assert (
        "verdict: partial (3 of 3 hosts, 6 ticks, 12 missed, lateness p99 -, clock bound -, own cost -)"
        in done.stdout
    )
    document = json.loads(cli("summary", path, "--json").stdout)
    assert document["verdict"]["missed"] == 12
    for name in ("late_p99_ns", "clock_bound_ns", "cpu_share_max"):
        assert document["verdict"][name] is None


def test_no_host_has_the_last_samples(tmp_path: Path) -> None:
    """The suite drops the newest at its limit, and a launcher may be late: the span of the run counts."""
    path = tmp_path / "x_timeseries.json"
    document = suite_document()
    document["end_time"] = "2026-01-05T12:10:00Z"
    document["start_time"] = "2026-01-05T11:59:00Z"
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        # due from 11:59:10 (times are cut to seconds) to 12:10:00
        assert run.run["facts"]["a"]["missed"] == 66 - 6
    del document["start_time"], document["end_time"]
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run.run["facts"]["a"]["missed"] == 0


def test_a_full_set_of_samples_is_complete_and_no_more(tmp_path: Path) -> None:
    """With intervals below a second, whose times are cut, too."""
    path = tmp_path / "x_timeseries.json"
    document: dict[str, Any] = suite_document()
    del document["samples_by_host"]["c"]
    document["hosts_requested"] = ["a", "b"]
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run.run["verdict"]["verdict"] == "complete"
    every = document["samples_by_host"]["a"]
    document["samples_by_host"] = {
        "a": [{**every[0], "timestamp": f"2026-01-05T12:00:0{n // 2}Z"} for n in range(12)]
    }
    document.update(
        collection_interval_seconds=0.5, hosts_requested=["a"], end_time="2026-01-05T12:00:06Z"
    )
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run.run["facts"]["a"]["missed"] <= 1


def test_hosts_without_samples_are_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "x_timeseries.json"
    document: dict[str, Any] = suite_document()
    document["hosts_requested"] = ["a", "b", "c", "d"]
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run.run["hosts_partial"] == {"c": "no samples (no)", "d": "no samples"}
        assert run.run["hosts_requested"] == ["a", "b", "c", "d"]


def test_our_own_json_with_gaps(tmp_path: Path) -> None:
    """Ticks are in the file: decimation is no loss, a sample that was taken out is one."""
    import time

    with mpi_collector.collect(
        interval=0.05,
        results_dir=tmp_path,
        spool_dir=str(tmp_path),
        quiet=True,
        max_samples=8,
        sources="basic",
    ):
        time.sleep(1)
    path = next(tmp_path.glob("*_timeseries.json"))
    with load_suite(path) as run, mpi_collector.load(tmp_path) as native:
        ((key, facts),) = run.run["facts"].items()
        assert facts["level"] == native.run["facts"][key]["level"] >= 1
        assert facts["missed"] == native.run["facts"][key]["missed"]
    document = json.loads(path.read_text())
    del document["samples_by_host"][key][1:3]
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run.run["facts"][key]["missed"] == facts["missed"] + 2


@pytest.mark.parametrize(
    "change",
    [
        {"collection_interval_seconds": "soon"},
        {"collection_interval_seconds": 1e400},
        {"samples_by_host": {"\ud800": []}},
        {"samples_by_host": []},
        {"samples_by_host": {"a": [{"timestamp_ns": 10**30, "vmstat": {"x": 1}}]}},
        {"samples_by_host": {"a": [{"timestamp_ns": 1, "loadavg": {"load_1min": 1e400}}]}},
        {"samples_by_host": {"a": [{"timestamp": "today", "vmstat": {"x": 1}}]}},
    ],
)
def test_a_damaged_time_series(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "x_timeseries.json"
    path.write_text(json.dumps({**suite_document(), **change}))
    with pytest.raises(RecordingError, match="x_timeseries"):
        load_suite(path)


def test_the_suites_json_is_not_exported_as_itself(tmp_path: Path) -> None:
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(suite_document()))
    done = cli("export", path, "--to", "json", "-o", tmp_path / "again.json")
    assert done.returncode == 2
    assert "already" in done.stderr
    assert not (tmp_path / "again.json").exists()
    for verb in ("summary", "report"):
        assert cli(verb, path).returncode == 0 or verb == "report"  # the page needs Jinja2


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(), st.floats(allow_nan=False)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["samples_by_host", "timestamp", "diskstats", "device_name", "meminfo", "a"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_what_is_no_time_series(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    path = tmp_path_factory.mktemp("suite") / "x_timeseries.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(RecordingError):  # any other error is one
        load_suite(path).close()


def sparse(samples: int) -> dict[str, Any]:
    """Samples each of which has a name that no other one has: a table of their number squared."""
    rows = [
        {"timestamp": "2026-01-05T12:00:00Z", "hostname": "a", "vmstat": {f"field{n}": n}}
        for n in range(samples)
    ]
    return {"samples_by_host": {"a": rows}, "collection_interval_seconds": 1.0}


def long_names() -> dict[str, Any]:
    sample = {"timestamp": "2026-01-05T12:00:00Z", "vmstat": {"x" * 1_000_000: 1, "y": 2}}
    return {"samples_by_host": {"a": [sample]}, "collection_interval_seconds": 1.0}


@pytest.mark.parametrize("document", [sparse(20_000), long_names()], ids=["sparse", "long"])
def test_a_small_file_is_no_large_table(tmp_path: Path, document: dict[str, Any]) -> None:
    """A megabyte of JSON whose table would take gigabytes is refused."""
    path = tmp_path / "x_timeseries.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordingError, match="x_timeseries"):
        mpi_collector.load(path)


def test_a_pipe_is_no_time_series(tmp_path: Path) -> None:
    """It would block; in a directory it is passed over."""
    for suffix in ("json", "npz"):
        path = tmp_path / f"x_20260105_120000_timeseries.{suffix}"
        os.mkfifo(path)
        with pytest.raises(RecordingError, match="not a regular file"):
            mpi_collector.load(path)
    with pytest.raises(RecordingError, match="no \\*_timeseries"):
        mpi_collector.load(tmp_path)
