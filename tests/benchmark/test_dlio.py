"""DLIO's own statistics as marks."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from mpi_collector.benchmark.dlio import marks_of_file, marks_of_run, places
from mpi_collector.store.phases import phases_of

#: as DLIO 2.0 wrote it for two epochs
DLIO = {
    "1": {"start": "2026-01-05T12:00:01.500000", "block1": {"start": "2026-01-05T12:00:01.600000", "end": "2026-01-05T12:00:02.500000", "duration": "0.90"},
          "end": "2026-01-05T12:00:02.600000", "duration": "1.10"},
    "2": {"start": "2026-01-05T12:00:03.000000", "block1": {"start": "2026-01-05T12:00:03.000000"}},
}  # fmt: skip


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_dlio(tmp_path: Path, zone: None) -> None:
    """Epochs and blocks, in local time; one that was cut off has no end."""
    path = tmp_path / "per_epoch_stats.json"
    path.write_text(json.dumps(DLIO))
    found = marks_of_file(path)
    assert [(m["text"], m["edge"]) for m in found] == [
        ("epoch 1", "begin"),
        ("epoch 1", "end"),
        ("epoch 1 block1", "begin"),
        ("epoch 1 block1", "end"),
        ("epoch 2", "begin"),
        ("epoch 2 block1", "begin"),
    ]
    assert found[0]["utc_ns"] == 1767632401_500000000  # 17:00:01.5 UTC
    assert [p.name for p in phases_of(found, 1767632404_000000000)] == [
        "epoch 1",
        "epoch 1 block1",
        "epoch 2",
        "epoch 2 block1",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"1": 3}', '{"1": {"start": "soon"}}', "[" * 5000]
)
def test_dlio_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "per_epoch_stats.json"
    path.write_text(text)
    assert marks_of_file(path) == []


def test_where_dlio_is_looked_for(tmp_path: Path) -> None:
    """In directories that COMMAND names, not too deep, and only what the run itself wrote."""
    deep = tmp_path / "hydra" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "0_per_epoch_stats.json").write_text(json.dumps(DLIO))
    too_deep = deep / "c" / "d"
    too_deep.mkdir(parents=True)
    (too_deep / "per_epoch_stats.json").write_text(json.dumps(DLIO))
    found = places(
        tmp_path / "none",
        ["dlio_benchmark", f"hydra.run.dir={tmp_path}/hydra", "-x", "workload=unet3d"],
    )
    assert found == [tmp_path / "none", tmp_path / "hydra"]
    assert len(marks_of_run(found, 0)) == 6
    assert marks_of_run([*found, tmp_path / "hydra"], 0) == marks_of_run(found, 0)
    assert marks_of_run(found, time.time_ns() + 10**12) == []
    os.utime(deep / "0_per_epoch_stats.json", (1, 1))
    assert marks_of_run(found, 10**15) == []
