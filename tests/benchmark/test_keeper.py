"""The files that a keeper writes, when a host's data are damaged in a way that only the writer sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import synthetic

import mpi_collector
from mpi_collector.benchmark.keeper.client import Keeper
from mpi_collector.benchmark.keeper.values import RecordedCommand
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.node.table.npy import NpzMember
from mpi_collector.transport.base import write_host, write_members

ROWS = 20


def samples(key: str, text: bytes = b"[{}]") -> NpzMember:
    return NpzMember("json", key, [text])


@pytest.mark.parametrize("hosts_each", [0, 1])
@pytest.mark.parametrize("ends", ["end_host", "drop_host"])
def test_a_damaged_host_leaves_nothing(tmp_path: Path, hosts_each: int, ends: str) -> None:
    """Neither members in the recording nor half an object in the suite's JSON."""
    one = synthetic.cluster(tmp_path / "one.npz", 2, ROWS, names=["a", "c"])
    with mpi_collector.load(one) as recording:
        run: Any = recording.run
    members = {
        key: [*synthetic.members(key, synthetic.workload(1, ROWS)), samples(key)] for key in "abc"
    }
    members["b"][-1].chunks = [members["b"][-1].chunks[0], b"\xff" * 20]  # no deflated bytes
    members["b"][-1].packed = sum(map(len, members["b"][-1].chunks))
    keeper = Keeper(60)
    try:
        keeper.reserve(tmp_path / "results", "host", "token", {}, 60)
        command = RecordedCommand([], run["start_ns"], run["end_ns"])
        sink = keeper.open_sink(True, True, command, hosts_each)
        write_host(sink, "a", members["a"])
        sink.begin_host("b")
        write_members(sink, members["b"])
        if ends == "end_host":
            with pytest.raises(RuntimeError, match="damaged"):
                sink.end_host()
        else:
            sink.drop_host()
        write_host(sink, "c", members["c"])
        files = sink.finish(run, time_series_head(run))
        keeper.release()
    finally:
        keeper.close()
    (series,) = (f for f in files if f.name.endswith("_timeseries.json"))
    assert list(json.loads(series.read_text())["samples_by_host"]) == ["a", "c"]
    with mpi_collector.load(tmp_path / "results") as recording:
        assert {key: len(host.tick) for key, host in recording.items()} == {
            "a": ROWS + 1,
            "c": ROWS + 1,
        }
        with pytest.raises(mpi_collector.RecordingError):
            recording.member("b/tick")
