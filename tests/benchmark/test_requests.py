"""``stop`` and ``mark`` reach a run by its door, and by the rare looks where nobody can ring."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sabotage import sabotaged

import mpi_collector

_MINE = [sys.executable, "-m", "mpi_collector"]
_LIMIT_S = 120

#: nobody looks without being told to
_NO_LOOKS = """
@on_import("mpi_collector.benchmark.keeper.process")
def change(module):
    module.LOOK_EVERY_S = 1e6
"""
#: this host cannot listen
_NO_DOOR = """
@on_import("mpi_collector.transport.door")
def change(module):
    def listen(backlog):
        raise OSError(97, "broken on purpose")
    module.listen = listen
"""
#: it listens, but nobody gets through
_BLOCKED = """
@on_import("mpi_collector.transport.door")
def change(module):
    module.ring = lambda address, limit_s: False
"""


class Run:
    """A recording without COMMAND, in ``place``."""

    def __init__(self, place: Path, fault: str, *command: str) -> None:
        self._place = place
        self.env = {**os.environ, **(sabotaged(place / "fault", fault) if fault else {})}
        (place / "spool").mkdir()
        where = ["--results-dir", "results", "--spool-dir", "spool"]
        self.process = subprocess.Popen(
            [*_MINE, *where, *command], cwd=place, env=self.env, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for _ in range(3):
            self.process.stderr.readline()
        while not self.doors() and fault != _NO_DOOR:
            assert self.process.poll() is None

    def doors(self) -> list[Path]:
        """The files with its address, as far as they are complete."""
        found = [*self._place.glob("spool/*/*/door"), *self._place.glob("results/.*.door")]
        return found if len(found) == 2 and all(p.stat().st_size for p in found) else []

    def verb(self, name: str, way: str, *words: str) -> str:
        """Return what ``name`` says that sees one directory only."""
        seen = {"results": "/nonexistent", "spool": "/nonexistent", way: way}
        where = ["--results-dir", seen["results"], "--spool-dir", seen["spool"]]
        done = subprocess.run(
            [*_MINE, name, *where, *words],
            cwd=self._place,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def ended_by(self) -> str:
        _, err = self.process.communicate(timeout=_LIMIT_S)
        assert self.process.returncode == 0, err
        assert "Traceback" not in err
        with mpi_collector.load(self._place / "results") as recording:
            return recording.run["ended_by"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not [*tmp_path.glob("spool/*")]
    assert not list(tmp_path.glob("results/.*"))


@pytest.mark.parametrize("way", ["results", "spool"])
def test_a_ring_ends_a_run(place: Path, way: str) -> None:
    """Nothing else tells it: it does not look by itself."""
    run = Run(place, _NO_LOOKS)
    for door in run.doors():
        assert stat.S_IMODE(door.stat().st_mode) == 0o600
    assert "10 s" not in run.verb("stop", way)
    assert run.ended_by() == "request"


@pytest.mark.parametrize("way", ["results", "spool"])
def test_a_host_that_cannot_listen(place: Path, way: str) -> None:
    run = Run(place, _NO_DOOR)
    assert not run.doors()
    assert "will look within 10 s" in run.verb("stop", way)
    assert run.ended_by() == "request"


def test_who_cannot_ring_is_found_beside_the_results(place: Path) -> None:
    run = Run(place, _BLOCKED)
    assert "will look within 10 s" in run.verb("stop", "results")
    assert run.ended_by() == "request"


def test_the_end_of_command_without_descriptors_of_processes(place: Path) -> None:
    """Kernels before 5.3, and sandboxes that forbid pidfd_open."""
    run = Run(place, "import os; del os.pidfd_open", "--", "sleep", "2")
    assert run.ended_by() == "command"


def test_marks_ring_and_end_nothing(place: Path) -> None:
    run = Run(place, _NO_LOOKS)
    for way in ("results", "spool"):
        run.verb("mark", way, f"seen in {way}")
    assert run.process.poll() is None
    run.verb("stop", "spool")
    assert run.ended_by() == "request"
    with mpi_collector.load(place / "results") as recording:
        assert {m["text"] for m in recording.run["marks"]} == {"seen in results", "seen in spool"}
