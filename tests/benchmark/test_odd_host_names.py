"""Hosts that are called like our own files record, are stopped, marked and recovered like any other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bed import poll

import mpi_collector
from mpi_collector.node.spool.directory import user_directory

NAMES = ["stop", "marks", "door", "run", "README"]
CLI = [sys.executable, "-m", "mpi_collector"]


def can_rename() -> bool:
    return (
        os.geteuid() == 0
        and shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-u", "true"], check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not can_rename(), reason="needs root and a UTS namespace")


def start(place: Path, name: str) -> subprocess.Popen[bytes]:
    """A recording on a host of this name, which samples."""
    (place / "spool").mkdir(exist_ok=True)
    words = [*CLI, "--timeseries-interval", "0.05", "--sources", "loadavg", *directories(place)]
    argv = ["unshare", "-u", "sh", "-c", 'hostname "$0" && exec "$@"', name, *words]
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(argv, stderr=said, stdin=subprocess.DEVNULL)
    poll("it samples", 60, lambda: b"if this process dies" in (place / "said").read_bytes())
    return process


def directories(place: Path) -> list[str]:
    return ["--results-dir", str(place / "results"), "--spool-dir", str(place / "spool")]


@pytest.mark.parametrize("name", NAMES)
def test_marked_and_stopped(tmp_path: Path, name: str) -> None:
    process = start(tmp_path, name)
    assert subprocess.run([*CLI, "mark", "half-way", *directories(tmp_path)], check=False).returncode == 0  # fmt: skip
    assert subprocess.run([*CLI, "stop", *directories(tmp_path)], check=False).returncode == 0
    assert process.wait(60) == 0
    with mpi_collector.load(tmp_path / "results") as run:
        assert list(run) == [name]
        assert [m["text"] for m in run.run["marks"]] == ["half-way"]
        assert run.run["ended_by"] == "request"
        assert run[name].on_grid.sum() > 0
    assert os.listdir(tmp_path / "spool") == []


@pytest.mark.parametrize("name", NAMES[:2])
def test_recovered(tmp_path: Path, name: str) -> None:
    process = start(tmp_path, name)
    assert subprocess.run([*CLI, "mark", "half-way", *directories(tmp_path)], check=False).returncode == 0  # fmt: skip
    process.send_signal(signal.SIGKILL)
    process.wait()
    (run,) = os.listdir(tmp_path / "spool" / user_directory())
    done = subprocess.run([*CLI, "recover", run, *directories(tmp_path)], check=False)
    assert done.returncode == 0
    with mpi_collector.load(tmp_path / "results") as recording:
        assert list(recording) == [name]
        assert [m["text"] for m in recording.run["marks"]] == ["half-way"]
    assert os.listdir(tmp_path / "spool") == []
