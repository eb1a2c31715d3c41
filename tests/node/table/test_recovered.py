"""Spools that dead runs left: found, judged, packed, removed; and nothing else touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import find_spools, user_directory
from mpi_collector.node.table.recovered import RecoveredSpool


def record(place: Path, run: str = "run_1", key: str = "a") -> Recorder:
    recorder = Recorder(
        SamplingOptions(interval_s=0.01, max_samples=64, sources="basic", spool_dir=str(place)),
        run,
        key,
        {"benchmark": "host", "stem": "s"},
    )
    recorder.prepare()
    recorder.own_clock()
    recorder.start(time.monotonic_ns() + 5_000_000, time.time_ns(), 64)
    while recorder.sampler.taken < 5:
        time.sleep(0.005)
    return recorder


def die(recorder: Recorder) -> None:
    """The lock goes as with a killed process; the file stays as it is."""
    recorder.sampler.stop()
    recorder.close()


def test_find_and_take(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    (found,) = find_spools(str(tmp_path))
    assert (found["run"], found["key"], found["alive"]) == ("run_1", "a", True)
    with pytest.raises(SpoolError, match="still alive"):
        RecoveredSpool(str(tmp_path), "run_1", "a")
    base = tmp_path / user_directory() / "run_1"
    marks.append(str(base / ".marks"), marks.make("left"))
    (base / ".stop").touch()
    (base / "link").symlink_to(base / "a")
    die(recorder)
    (found,) = find_spools(str(tmp_path))
    assert not found["alive"]
    spool = RecoveredSpool(str(tmp_path), "run_1", "a")
    about = spool.about()
    assert about["facts"]["ticks"] >= 5
    assert about["meta"]["benchmark"] == "host"
    assert about["end_ns"] > about["grid"]["epoch_ns"]
    assert {m.name.split("/")[1] for m in spool.pack(False)} >= {"values", "meta", "tick"}
    (base / "link").unlink()
    spool.discard()
    assert not (tmp_path / user_directory()).exists()
    assert find_spools(str(tmp_path)) == []


def test_marks_of_a_dead_run(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    recorder.spool.event({"type": "x"})
    base = tmp_path / user_directory() / "run_1"
    marks.append(str(base / ".marks"), marks.make("left"))
    die(recorder)  # not stopped: nobody took them
    spool = RecoveredSpool(str(tmp_path), "run_1", "a")
    assert [m["text"] for m in spool.facts()["marks"]] == ["left"]
    spool.discard()


@pytest.mark.parametrize("stopped", [True, False])
def test_more_marks_than_there_is_room_for(tmp_path: Path, stopped: bool) -> None:
    """Each is in the recording once or counted, whether or not the recorder took them."""
    recorder = record(tmp_path)
    path = str(tmp_path / user_directory() / "run_1" / ".marks")
    texts = [f"mark {n} {'x' * 150}" for n in range(6_000)]
    refused = 0
    for n, text in enumerate(texts):
        try:
            if n < 1_000:  # of the program, then of other processes
                recorder.mark(marks.make(text))
            else:
                marks.append(path, marks.make(text))
        except marks.MarksFullError:
            refused += 1
    assert 0 < refused < 3_000
    if stopped:
        recorder.stop()
        here = recorder.facts()
    die(recorder)
    spool = RecoveredSpool(str(tmp_path), "run_1", "a")
    facts = spool.facts()
    assert facts["marks_lost"] == refused
    kept = [m["text"] for m in facts["marks"]]
    assert sorted(kept) == sorted(texts[: len(kept)]) and len(kept) == len(texts) - refused
    if stopped:
        assert (here["marks"], here["marks_lost"]) == (facts["marks"], refused)
        assert facts["complete"]
    spool.discard()


@pytest.mark.parametrize(
    ("run", "key"),
    [("..", "x"), ("a/b", "x"), ("", "x"), ("run", ".."), ("run", "../../etc/passwd")],
)
def test_names_stay_inside(tmp_path: Path, run: str, key: str) -> None:
    with pytest.raises(SpoolError, match="not the name of a spool"):
        RecoveredSpool(str(tmp_path), run, key)


def test_what_is_no_spool(tmp_path: Path) -> None:
    base = tmp_path / user_directory() / "run_1"
    base.mkdir(parents=True)
    (base / "a").write_bytes(os.urandom(10000))
    assert [f["key"] for f in find_spools(str(tmp_path))] == ["a"]
    with pytest.raises(SpoolError, match="not a spool"):
        RecoveredSpool(str(tmp_path), "run_1", "a")
    assert find_spools(str(tmp_path / "nowhere")) == []
