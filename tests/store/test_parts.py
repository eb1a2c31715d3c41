"""A recording in parts: it reads like one file, and an odd index or part is an error or a missing host."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_parts import both, changed_index

import mpi_collector
from mpi_collector.errors import RecordingError

DIRECTORY = "host_20260105_120000_timeseries"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return both(tmp_path_factory.mktemp("recordings"), 5, 2)


@pytest.fixture
def index(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the recording in parts."""
    shutil.copytree(made[1].parent, tmp_path / "copy")
    return tmp_path / "copy" / made[1].name


def shards(index: Path) -> Any:
    with np.load(index, allow_pickle=False) as npz:
        return npz["shards"]


def test_it_reads_like_one_file(made: tuple[Path, Path]) -> None:
    """Every member, figure and phase is the same; each part is a recording of its hosts."""
    with mpi_collector.load(made[0]) as one, mpi_collector.load(made[1].parent) as parts:
        assert list(parts) == list(one)
        assert parts.run == one.run
        for key in one:
            for name in ("values", "tick", "timestamp_ns", "columns", "units", "kinds"):
                assert (parts[key].array(name) == one[key].array(name)).all()
                assert (parts.member(f"{key}/{name}") == one.member(f"{key}/{name}")).all()
            assert parts.fresh(key).stored.meta() == one.fresh(key).stored.meta()
        assert json.dumps(parts.why()) == json.dumps(one.why())
        phase = one.marks[0].name
        assert list(parts.during(phase)) == list(one.during(phase))
    files = sorted(made[1].with_suffix("").iterdir())
    assert [f.name for f in files] == [f"part-000{n}.npz" for n in range(3)]
    found: list[str] = []
    for file in files:
        with mpi_collector.load(file) as part:
            found += part
            assert part.run["verdict"]["hosts"] == len(part)
            assert "of 5 hosts" in part.run["verdict_remarks"][0]
            for host in part.values():
                assert host.figure("read_bytes_per_s").mean > 0
    assert found == list(one)


def test_few_parts_are_open(made: tuple[Path, Path], tmp_path: Path) -> None:
    """No part is opened before one of its hosts is read, and not all of them stay open."""
    _, index = both(tmp_path, 12, 1)
    with mpi_collector.load(index) as run:
        before = len(os.listdir("/proc/self/fd"))
        for key in run:
            assert len(run[key].tick)
        assert len(os.listdir("/proc/self/fd")) <= before + 4
        first = next(iter(run))
        run[first].release()
        assert len(run.fresh(first).array("values"))  # of a part that was closed meanwhile


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_missing_part(index: Path, remove: Callable[[Path], object]) -> None:
    """Its hosts are missing, and said; the others are there, and the run is not complete."""
    remove(index.parent / DIRECTORY / "part-0001.npz")
    with mpi_collector.load(index) as run:
        assert list(run) == ["node001", "node002", "node005"]
        assert set(run.run["hosts_partial"]) == {"node003", "node004"}
        assert run.run["verdict"]["verdict"] == "partial"
        assert "part-0001.npz" in run.run["verdict"]["reasons"][0]
        assert run.run["verdict"]["hosts_requested"] == 5
        assert len(run["node005"].tick)
        with pytest.raises(KeyError):
            run["node003"]


def test_without_any_part(index: Path) -> None:
    """The index alone is a recording without hosts."""
    shutil.rmtree(index.parent / DIRECTORY)
    with mpi_collector.load(index) as run:
        assert list(run) == []
        assert run.run["verdict"]["verdict"] == "invalid"
        assert len(run.run["hosts_partial"]) == 5


@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../x/part-0000.npz", f"{DIRECTORY}/../../part-0000.npz", "part-0000.npz", "",
     f"{DIRECTORY}/part-0.npz", f"./{DIRECTORY}/part-0000.npz", f"{DIRECTORY}/part-0000.npz\n", "../part-0000.npz",
     f"{DIRECTORY}/sub/part-0000.npz", ".hidden/part-0000.npz"],
)  # fmt: skip
def test_paths_that_are_none_of_ours(index: Path, file: str) -> None:
    found = shards(index).astype("<U80")
    found[0, 1] = file
    with pytest.raises(RecordingError, match="damaged at member 'shards'"):
        mpi_collector.load(changed_index(index, shards=found))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s[[0, 0, 1, 2, 3, 4]],
        lambda s: s[[0, 0, 2, 3, 4]],
        lambda s: np.array([["other", s[0, 1]], *s[1:]]),
        lambda s: s.ravel(),
        lambda s: s[:, :1],
        lambda s: np.asfortranarray(s),
        lambda s: s[:0],
        lambda s: np.zeros((5, 2)),
        lambda s: np.zeros((5, 2), dtype="<U4000"),
    ],
)
def test_an_index_that_does_not_fit(index: Path, change: Callable[[Any], Any]) -> None:
    with pytest.raises(RecordingError, match="damaged at member 'shards'"):
        mpi_collector.load(changed_index(index, shards=change(shards(index))))


def test_links(index: Path, tmp_path: Path) -> None:
    """A part that is a link, or in a directory that is one, may be anywhere."""
    part = index.parent / DIRECTORY / "part-0000.npz"
    part.rename(tmp_path / "moved.npz")
    part.symlink_to(tmp_path / "moved.npz")
    with pytest.raises(RecordingError, match="no regular file"):
        mpi_collector.load(index)
    (index.parent / DIRECTORY).rename(tmp_path / "moved")
    (index.parent / DIRECTORY).symlink_to(tmp_path / "moved")
    with pytest.raises(RecordingError, match="a link"):
        mpi_collector.load(index)


def test_foreign_and_damaged_parts(index: Path, tmp_path: Path) -> None:
    """What is not the part that was written there is an error that names it; others are read."""
    first, second, third = (index.parent / DIRECTORY / f"part-000{n}.npz" for n in range(3))
    shutil.copyfile(second, first)
    os.truncate(second, second.stat().st_size // 2)
    changed_index(third, run=None)
    with mpi_collector.load(index) as run:
        for key, why in (
            ("node001", "not the part that has host 'node001'"),
            ("node003", "part-0001.npz: not a recording, or cut off"),
            ("node005", "part-0002.npz: no member 'run'"),
        ):
            with pytest.raises(RecordingError, match=why):
                run[key].array("values")
    shutil.copyfile(index, first)
    with mpi_collector.load(index) as run, pytest.raises(RecordingError):
        run["node001"].array("values")


def test_a_part_of_another_run(index: Path) -> None:
    part = index.parent / DIRECTORY / "part-0000.npz"
    with np.load(part) as npz:
        document = json.loads(str(npz["run"]))
    changed_index(part, run=np.array(json.dumps({**document, "run": "another"})))
    with mpi_collector.load(index) as run, pytest.raises(RecordingError, match="of another run"):
        run["node001"].array("values")
