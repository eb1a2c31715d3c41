"""The files of a recording in parts: how many, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import synthetic
from in_parts import ROWS

import mpi_collector
from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.output.files import RunFiles
from mpi_collector.output.series import hosts_per_part
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import write_host, write_members


@pytest.mark.parametrize(
    ("hosts", "above", "each"),
    [(1, 2, 0), (2, 2, 0), (3, 2, 2), (4, 2, 2), (5, 2, 3), (10_000, 1000, 100), (1001, 1000, 32), (1000, 1000, 0),
     (10_000, 0, 0), (2, 1, 2)],
)  # fmt: skip
def test_hosts_per_part(hosts: int, above: int, each: int) -> None:
    assert hosts_per_part(hosts, above) == each


def start(directory: Path) -> tuple[FileSink, RunFiles]:
    files = RunFiles(directory, "host", "20260105_120000")
    return FileSink(files, False, hosts_each=2), files


def run_of(keys: list[str], directory: Path) -> Any:
    path = synthetic.cluster(directory / "doc.npz", len(keys), ROWS, names=keys)
    with mpi_collector.load(path) as recording:
        path.unlink()
        return recording.run


def add(sink: FileSink, key: str, drop: bool = False) -> None:
    sink.begin_host(key)
    write_members(sink, synthetic.members(key, synthetic.workload(1, ROWS)))
    sink.drop_host() if drop else sink.end_host()


def test_hosts_that_are_dropped(tmp_path: Path) -> None:
    """A dropped host is in no part, the last of a part and the only one of it included."""
    sink, files = start(tmp_path)
    for key, drop in (
        ("a", False),
        ("x", True),
        ("b", False),
        ("y", True),
        ("c", False),
        ("d", False),
        ("z", True),
    ):
        add(sink, key, drop)
    sink.finish(run_of(["a", "b", "c", "d"], tmp_path), {"hosts_requested": []})  # type: ignore[typeddict-item]
    assert sorted(p.name for p in files.path("timeseries").iterdir()) == [
        "part-0000.npz",
        "part-0001.npz",
    ]
    with mpi_collector.load(tmp_path) as run:
        assert [len(run[key].tick) for key in run] == [ROWS + 1] * 4


def test_nothing_appears_before_the_end(tmp_path: Path) -> None:
    """Until then there are hidden files only, which an abandoned run takes away."""
    sink, _ = start(tmp_path)
    for key in "abc":
        add(sink, key)
    assert all(name.startswith(".host_20260105_120000_") for name in os.listdir(tmp_path))
    sink.abandon()
    assert os.listdir(tmp_path) == []


def test_a_directory_in_the_way(tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is left of what had appeared."""
    sink, files = start(tmp_path)
    for key in "abc":
        add(sink, key)
    files.path("timeseries").mkdir()
    (files.path("timeseries") / "part-0000.npz").write_text("mine")
    with pytest.raises(FileExistsError):
        sink.finish(run_of(["a", "b", "c"], tmp_path), {"hosts_requested": []})  # type: ignore[typeddict-item]
    sink.abandon()
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))
    assert left == [files.path("timeseries").name, f"{files.path('timeseries').name}/part-0000.npz"]
    assert (files.path("timeseries") / "part-0000.npz").read_text() == "mine"


def test_an_index_in_the_way(tmp_path: Path) -> None:
    """The parts that had appeared go again."""
    sink, files = start(tmp_path)
    for key in "abc":
        add(sink, key)
    files.path("timeseries.npz").write_text("mine")
    with pytest.raises(FileExistsError):
        sink.finish(run_of(["a", "b", "c"], tmp_path), {"hosts_requested": []})  # type: ignore[typeddict-item]
    sink.abandon()
    assert os.listdir(tmp_path) == [files.path("timeseries.npz").name]


def test_the_samples_of_the_suite(tmp_path: Path) -> None:
    """They are in one file whatever the number of parts, encoded here where a host did not do it."""
    sink = FileSink(RunFiles(tmp_path, "host", "20260105_120000"), json=True, hosts_each=2)
    facts: dict[str, Any] = {}
    options = SamplingOptions(interval_s=0.02, sources="basic", spool_dir=str(tmp_path / "spools"))
    for key in ("a", "b", "c"):
        recorder = BatchRecorder(options, "run", key, {"benchmark": "host"})
        recorder.prepare()
        recorder.own_clock()
        recorder.start(mono_ns(), synthetic.START_NS, 100)
        assert recorder.wait_first(30)
        recorder.stop()
        write_host(sink, key, recorder.pack(json=False))
        facts[key] = recorder.facts()
        recorder.discard()
    run: Any = {**run_of(["a", "b", "c"], tmp_path), "facts": facts}
    sink.finish(run, time_series_head(run))
    samples = json.loads((tmp_path / "host_20260105_120000_timeseries.json").read_text())
    counts = {key: len(found) for key, found in samples["samples_by_host"].items()}
    assert counts == {key: f["samples"] for key, f in facts.items()}
    with mpi_collector.load(tmp_path / "host_20260105_120000") as recording:
        assert {key: len(recording[key].tick) for key in recording} == counts
