"""DLIO's own statistics as marks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

import mpi_collector
from mpi_collector.benchmark.dlio import places, statistics_of_file, statistics_of_run
from mpi_collector.formats.run_document import Mark
from mpi_collector.store.phases import phases_of

S = 1_000_000_000
#: 2026-01-05 17:00:00 UTC, noon in New York
NOON_NS = 1767632400 * S


def marks_of_file(path: Path) -> list[Mark]:
    found = statistics_of_file(path, 0, 1 << 62)
    return found.marks if found else []


def marks_of_run(directories: list[Path], since_ns: int) -> list[Mark]:
    return [m for found in statistics_of_run(directories, since_ns, 1 << 62) for m in found.marks]


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
    os.utime(path, ns=(NOON_NS + 4 * S, NOON_NS + 4 * S))
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


def local(utc_ns: int, offset_hours: float) -> str:
    """A moment as DLIO writes it in a zone."""
    moment = datetime.fromtimestamp(utc_ns / 1e9 + 3600 * offset_hours, timezone.utc)
    return moment.replace(tzinfo=None).isoformat()


def statistics(
    path: Path, hours: float, begin_ns: int, lag_s: float = 2.0, epoch_s: int = 100
) -> None:
    """Write two epochs in a zone, as of some seconds after their end."""
    epochs = {}
    for n in range(2):
        begin = begin_ns + n * epoch_s * S
        epochs[str(n + 1)] = {
            "start": local(begin, hours),
            "end": local(begin + epoch_s * S, hours),
        }
    path.write_text(json.dumps(epochs))
    written_ns = begin_ns + 2 * epoch_s * S + int(lag_s * S)
    os.utime(path, ns=(written_ns, written_ns))


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "+00:00"), (9, "+09:00"), (-5, ""), (5.75, "+05:45"), (-3.5, "-03:30"), (14, "+14:00"), (-12, "-12:00"), (-4.5, "-04:30")],
)  # fmt: skip
@pytest.mark.parametrize("lag_s", [0.0, 2.0, 600.0, -20.0])
def test_another_zone_than_ours(
    tmp_path: Path, zone: None, hours: float, text: str, lag_s: float
) -> None:
    """COMMAND has another TZ: the file's time tells. A file server's clock may be off, DLIO may take its time."""
    path = tmp_path / "0_per_epoch_stats.json"
    statistics(path, hours, NOON_NS, lag_s)
    found = statistics_of_file(path, NOON_NS - 5 * S, NOON_NS + 210 * S)
    assert found is not None
    assert [m["utc_ns"] for m in found.marks] == [NOON_NS + s * S for s in (0, 100, 100, 200)]
    assert (found.zone, found.outside) == (text, 0)


def test_a_long_run_in_another_zone(tmp_path: Path, zone: None) -> None:
    """Its epochs would lie within the run as times of ours, too: hours before the file was written."""
    path = tmp_path / "per_epoch_stats.json"
    statistics(path, -7, NOON_NS, 5.0, epoch_s=4 * 3600)
    found = statistics_of_file(path, NOON_NS - 5 * S, NOON_NS + 9 * 3600 * S)
    assert found is not None
    assert (found.marks[0]["utc_ns"], found.zone) == (NOON_NS, "-07:00")


def test_times_with_a_zone_need_no_guess(tmp_path: Path, zone: None) -> None:
    path = tmp_path / "per_epoch_stats.json"
    path.write_text(
        '{"1": {"start": "2026-01-05T18:00:00+01:00", "end": "2026-01-05T18:00:01+01:00"}}'
    )
    found = statistics_of_file(path, 0, 1 << 62)
    assert found is not None
    assert (found.marks[0]["utc_ns"], found.zone) == (NOON_NS, "")


def test_marks_off_the_run(tmp_path: Path, zone: None) -> None:
    path = tmp_path / "per_epoch_stats.json"
    statistics(path, -5, NOON_NS)
    found = statistics_of_file(path, NOON_NS + 150 * S, NOON_NS + 210 * S)
    assert found is not None
    assert found.outside == 3


def test_where_dlio_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In directories that COMMAND names and below the working directory, not too deep, and only what the run wrote."""
    work = tmp_path / "work"
    deep = work / "hydra_log" / "unet3d" / "2026-01-05" / "4" / "5" / "6" / "7"
    too_deep = work / "1" / "2" / "3" / "4" / "5" / "6" / "7" / "8" / "9"
    named = tmp_path / "hydra" / "a" / "b"
    for directory in (deep, too_deep, named):
        directory.mkdir(parents=True)
    monkeypatch.chdir(work)
    words = ["dlio_benchmark", f"hydra.run.dir={tmp_path}/hydra", "-x", "workload=unet3d"]
    found = places(tmp_path / "none", words, None)
    assert found == [tmp_path / "none", tmp_path / "hydra", Path("hydra_log"), Path()]
    assert marks_of_run(found, 0) == []
    (too_deep / "per_epoch_stats.json").write_text(json.dumps(DLIO))
    assert marks_of_run(found, 0) == []
    for directory in (deep, named):
        for rank in (0, 10):  # every rank writes the same epochs
            (directory / f"{rank}_per_epoch_stats.json").write_text(json.dumps(DLIO))
    assert len(marks_of_run(found, 0)) == 2 * 6
    assert marks_of_run([*found, work], 0) == marks_of_run(found, 0)
    assert marks_of_run(found, time.time_ns() + 10**12) == []
    os.utime(deep / "0_per_epoch_stats.json", (1, 1))
    assert len(marks_of_run(found, 10**15)) == 6


def test_a_data_set_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with very many names is left after a part of them."""
    (tmp_path / "data" / "deeper").mkdir(parents=True)
    for n in range(3000):
        (tmp_path / "data" / f"img_{n}.npz").touch()
    (tmp_path / "hydra_log").mkdir()
    (tmp_path / "hydra_log" / "per_epoch_stats.json").write_text(json.dumps(DLIO))
    monkeypatch.chdir(tmp_path)
    seen = []
    scan = os.scandir

    class Counting:
        def __init__(self, path: Path) -> None:
            self.entries = scan(path)

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            self.entries.close()

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            for entry in self.entries:
                seen.append(entry.name)
                yield entry

    monkeypatch.setattr(os, "scandir", Counting)
    assert len(marks_of_run([Path()], 0)) == 6
    assert 1900 < len(seen) < 2100


def test_a_command_in_utc(tmp_path: Path) -> None:
    """The shell has another zone than COMMAND: its epochs lie where they were, and that is printed."""
    job = (
        "import datetime, json, pathlib, time\n"
        "begin = datetime.datetime.now().isoformat(); time.sleep(0.3)\n"
        "end = datetime.datetime.now().isoformat()\n"
        "pathlib.Path('hydra_log/run').mkdir(parents=True)\n"
        "pathlib.Path('hydra_log/run/per_epoch_stats.json').write_text(json.dumps({'1': {'start': begin, 'end': end}}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "--timeseries-interval", "0.1", "--sources", "loadavg", "--spool-dir", tmp_path,
         "--results-dir", tmp_path / "results", "--", "env", "TZ=UTC", sys.executable, "-c", job],
        cwd=tmp_path, env={**os.environ, "TZ": "America/New_York"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "its times are taken for those of UTC+00:00" in done.stderr
    assert "outside of the run" not in done.stderr
    with mpi_collector.load(tmp_path / "results") as run:
        (epoch,) = run.marks
        assert run.run["start_ns"] <= epoch.begin_ns < epoch.end_ns <= run.run["end_ns"]
