"""``--live`` and ``top`` with the installed program: what they show, and that nothing of it disturbs the run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mpi_collector
from mpi_collector.node.agent.live import LIVE_COLUMNS
from mpi_collector.transport.base import nap

_MINE = [sys.executable, "-m", "mpi_collector"]
_WHERE = ["--results-dir", "results", "--spool-dir", "spool"]
_LIMIT_S = 120


class Run:
    """A recording in ``place`` that lasts until ``stop``."""

    def __init__(self, place: Path, *options: str) -> None:
        self.place = place
        (place / "spool").mkdir()
        self.process = subprocess.Popen(
            [*_MINE, "--timeseries-interval", "0.5", *_WHERE, *options],
            cwd=place,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said = [self.process.stderr.readline() for _ in range(3)]
        self.wait(lambda: len([*place.glob("spool/*/*/door")]) == 1)

    def verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_MINE, *words, *_WHERE],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )

    def top(self) -> dict[str, Any]:
        done = self.verb("top", "--once", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def wait(self, until: Callable[[], object]) -> None:
        while not until():
            assert self.process.poll() is None
            nap(0.1)

    def stop(self) -> Path:
        """Return the recording."""
        assert self.verb("stop").returncode == 0
        self.process.communicate(timeout=_LIMIT_S)
        assert self.process.returncode == 0
        with mpi_collector.load(self.place / "results") as run:
            # ticks may be missed on a busy machine
            assert run.run["hosts_partial"] == {}, run.run["verdict"]
        return self.place / "results"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def begin(*options: str) -> Run:
        made.append(Run(tmp_path, *options))
        return made[-1]

    yield begin
    for run in made:
        run.process.kill()
        run.process.communicate()


def test_figures_of_a_run(start: Callable[..., Run]) -> None:
    run = start("--live", "0.5")
    assert any("mpi_collector top" in line for line in run.said)
    assert run.verb("mark", "--begin", "epoch 1").returncode == 0
    found: list[dict[str, Any]] = []

    def has_figures() -> bool:
        found.append(run.top())
        return bool(found[-1]["figures"])

    run.wait(has_figures)
    document = found[-1]
    (host,) = document["by_host"].values()
    assert host["state"] == "sampling"
    assert 0 <= host["figures"]["cpu_busy_percent"] <= 100
    assert host["figures"]["memory_used_bytes"] > 1e6
    assert [p["name"] for p in document["phases"]] == ["epoch 1"]
    assert (document["live_s"], document["hosts"], document["sampling"]) == (0.5, 1, 1)
    text = run.verb("top", "--once")
    assert "read IOPS" in text.stdout
    assert "epoch 1" in text.stdout
    ended = run.stop()
    assert ended
    after = run.verb("top", "--once")
    assert (after.returncode, after.stdout) == (2, "")
    assert len(after.stderr.splitlines()) == 1


def test_without_live(start: Callable[..., Run]) -> None:
    """Its status is there, no figure, and how to get them the next time."""
    run = start()
    document = run.top()
    assert document["figures"] == {}
    assert [h["figures"] for h in document["by_host"].values()] == [{}]
    assert (document["live_s"], document["hosts"], document["sampling"]) == (0.0, 1, 1)
    assert "--live 1" in run.verb("top", "--once").stdout
    run.stop()


def test_below_the_interval(start: Callable[..., Run]) -> None:
    run = start("--live", "0.1")
    assert any(
        "live figures every 0.5 s (--live 0.1 is shorter than --timeseries-interval)" in line
        for line in run.said
    )
    assert run.top()["live_s"] == 0.5
    run.stop()


@pytest.mark.parametrize(
    "words",
    [["--live", "0"], ["--live", "-1"], ["--live", "nan"], ["--live", "x"], ["--live", "1e12"]],
)
def test_mistakes(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [*_MINE, *_WHERE, *words, "--", "touch", "ran"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 2
    assert "--live" in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "ran").exists()


def test_viewers_do_not_disturb(start: Callable[..., Run]) -> None:
    """Viewers that are killed, that read nothing, that show no token: the run ends whole."""
    run = start("--live", "0.5")
    door = json.loads(next(run.place.glob("spool/*/*/door")).read_text())
    held = []
    for words in (door["token"].encode() + b"?", door["token"].encode(), b"?", b"0" * 33, b""):
        sock = socket.create_connection(("127.0.0.1", door["port"]), _LIMIT_S)
        sock.sendall(words)
        held.append(sock)
    viewer = subprocess.Popen(
        [*_MINE, "top", "--once", *_WHERE],
        cwd=run.place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    nap(0.2)
    viewer.kill()
    viewer.wait()
    run.wait(lambda: run.top()["figures"])
    run.stop()
    for sock in held:
        sock.close()


def test_a_job_that_is_killed_ends_as_without_us(tmp_path: Path) -> None:
    """COMMAND's exit code is its own with --live, too."""
    done = subprocess.run(
        [*_MINE, *_WHERE, "--timeseries-interval", "0.1", "--live", "0.1", "--", "sh", "-c", "sleep 1; exit 7"],
        cwd=tmp_path, capture_output=True, text=True, timeout=_LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    with mpi_collector.load(tmp_path / "results") as run:
        assert run.run["hosts_partial"] == {}


def test_needs_a_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [*_MINE, "top"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 2
    assert "--once" in done.stderr


def test_columns_have_a_bound() -> None:
    assert len(LIVE_COLUMNS) <= 24
