"""What killed runs have left goes with the next run or with ``recover``; what is alive, or another user's, stays."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpi_collector.node.host.identity import boot_id
from mpi_collector.output.files import release, reserve
from mpi_collector.output.litter import remove_litter, remove_litter_of
from mpi_collector.scratch import ScratchDirectory, remove_left

DAY = 86400.0
HERE = boot_id()
STEM = "host_20260101_000000"


def marker(place: Path, stem: str = STEM, boot: str | None = HERE, days: float = 0.01) -> Path:
    """Leave the marker of a run that was killed."""
    path = place / f".mpi_collector_{stem}.run.json"
    path.write_text(json.dumps({"pid": 1, "run": f"{stem}-aaaaaa", "boot_id": boot}))
    aged(path, days)
    return path


def aged(path: Path, days: float) -> Path:
    if not path.exists():
        path.write_text("half")
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def names(place: Path) -> list[str]:
    return sorted(p.relative_to(place).as_posix() for p in place.rglob("*"))


def test_a_killed_run(tmp_path: Path) -> None:
    """Its marker, requests, unfinished files and empty directory go; what it has written stays."""
    marker(tmp_path)
    for ending in (".stop", ".marks", ".door"):
        (tmp_path / f".mpi_collector_{STEM}{ending}").touch()
    (tmp_path / STEM).mkdir()
    for place in (tmp_path, tmp_path / STEM):
        aged(place / f".{STEM}_timeseries.npz.0123abcd.part", 0)
    (tmp_path / f"{STEM}_cluster_info.json").touch()
    remove_litter(tmp_path)
    assert names(tmp_path) == [f"{STEM}_cluster_info.json"]


def test_what_stays(tmp_path: Path) -> None:
    """Runs that live or may live, young and foreign files, and names that are none of ours."""
    living = marker(tmp_path)
    with open(living) as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        marker(tmp_path, "host_20260101_000001", boot="of another host", days=29)
        marker(tmp_path, "host_20260101_000002", boot=None, days=29)
        marker(tmp_path, "host_20260101_000008", days=0)  # it is about to be locked
        aged(tmp_path / f".{STEM}_timeseries.npz.0123abcd.part", 0.9)
        for name in (".x.part", ".data.0123abcd.part", f"{STEM}_x.0123abcd.part", ".hidden"):
            aged(tmp_path / name, 99)
        full = tmp_path / "host_20260101_000003"
        full.mkdir()
        aged(full / "host_20260101_000003_metadata.json", 99)
        other = aged(tmp_path / ".host_20260101_000004_timeseries.npz.0123abcd.part", 99)
        link = tmp_path / ".mpi_collector_host_20260101_000005.run.json"
        link.symlink_to(full / "host_20260101_000003_metadata.json")
        pipe = tmp_path / ".mpi_collector_host_20260101_000006.run.json"
        os.mkfifo(pipe)
        if not os.getuid():
            os.chown(other, 65534, 65534)
            foreign = marker(tmp_path, "host_20260101_000007", days=99)
            os.chown(foreign, 65534, 65534)
        else:
            other.unlink()
        before = names(tmp_path)
        remove_litter(tmp_path)
        assert names(tmp_path) == before


def test_by_age(tmp_path: Path) -> None:
    """Of a host whose locks cannot be seen from here a marker goes after a month, a part after a day."""
    marker(tmp_path, boot="of another host", days=31)
    aged(tmp_path / ".host_20260101_000009_timeseries.npz.0123abcd.part", 1.1)
    remove_litter(tmp_path)
    assert names(tmp_path) == []


def test_by_recover(tmp_path: Path) -> None:
    """The run that is recovered has ended everywhere; others are left alone."""
    marker(tmp_path, boot="of another host")
    aged(tmp_path / f".{STEM}_timeseries.npz.0123abcd.part", 0)
    other = marker(tmp_path, "host_20260101_000001", boot="of another host")
    remove_litter_of(tmp_path, f"{STEM}-aaaaaa")
    assert names(tmp_path) == [other.name]


def test_the_next_run_and_its_own_marker(tmp_path: Path) -> None:
    """The marker of the run that looks is locked, by its own process."""
    files = reserve(tmp_path, "host", {"boot_id": HERE, "run": "x"})
    marker(tmp_path)
    remove_litter(tmp_path)
    assert names(tmp_path) == [files.marker.name]
    release(files)


@pytest.mark.parametrize("what", ["killed", "alive"])
def test_temporary_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Of a killed process: the next one removes it, once it is an hour old."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import sys, time; from mpi_collector.scratch import ScratchDirectory\n"
        "d = ScratchDirectory(); open(d.name + '/x', 'w'); print(d.name, flush=True)\n"
        "time.sleep(60)"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, text=True, env=environ) as there:
        try:
            assert there.stdout is not None
            path = Path(there.stdout.readline().strip())
            if what == "killed":
                there.kill()
                there.wait()
            remove_left(str(tmp_path))
            assert path.exists()
            aged(path, 0.1)
            # spools may be there, too, and directories of others have such names
            for name in ("mpi_collector-1000", "mpi_collector-12345678", "mpi_collector_tmp-file"):
                aged(tmp_path / name, 9)
            (tmp_path / "mpi_collector_tmp-link").symlink_to(tmp_path)
            with ScratchDirectory() as own:
                assert Path(own).exists()
                assert path.exists() == (what == "alive")
            assert not Path(own).exists()
        finally:
            there.kill()
    assert len(names(tmp_path)) == (4 if what == "killed" else 6)
