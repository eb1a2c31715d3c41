"""The results directory fails, hangs or vanishes while COMMAND runs: COMMAND ends when it ends, with its own exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty import FaultyDirectory, faulty_directory
from spool_files import spool_files

import mpi_collector

_MINE = [sys.executable, "-m", "mpi_collector"]
#: ends when told to, with exit code 7; says how often it was told to end early
_COMMAND = (
    'trap "echo told >> told" TERM; echo up > up; while [ ! -e end ]; do sleep 0.05; done; exit 7'
)


class Run:
    """A recording of COMMAND whose results are in ``directory``."""

    def __init__(self, place: Path, directory: FaultyDirectory, *words: str) -> None:
        self.place = place
        argv = [
            *_MINE,
            "--timeseries-interval",
            "0.1",
            "--gather-timeout",
            "3",
            "--report",
            "never",
        ]
        argv += ["--results-dir", str(directory.path), "--spool-dir", str(place / "spool"), *words]
        (place / "spool").mkdir(exist_ok=True)
        self._err = (place / "err").open("w+")
        self.process = subprocess.Popen(
            [*argv, "--", "sh", "-c", _COMMAND], cwd=place, stderr=self._err
        )
        self.wait_for(lambda: (place / "up").exists())
        time.sleep(1)

    def wait_for(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, self.err
            time.sleep(0.02)

    @property
    def err(self) -> str:
        return (self.place / "err").read_text()

    def end(self, within_s: float = 30) -> float:
        """Let COMMAND end; returns seconds until the recording has, whose exit code is COMMAND's."""
        assert self.process.poll() is None, self.err
        began = time.monotonic()
        (self.place / "end").touch()
        assert self.process.wait(within_s) == 7, self.err
        assert "Traceback" not in self.err
        return time.monotonic() - began

    def recovered(self) -> mpi_collector.store.recording.Recording:
        (spool,) = spool_files(self.place / "spool")
        assert f"mpi_collector recover {spool.parent.name}" in self.err
        words = ["recover", spool.parent.name, "--spool-dir", "spool", "--results-dir", "recovered"]
        done = subprocess.run(
            [*_MINE, *words], cwd=self.place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return mpi_collector.load(self.place / "recovered")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[FaultyDirectory]:
    with faulty_directory(tmp_path) as found:
        yield found


def check_whole(recording: mpi_collector.store.recording.Recording, seconds: float) -> None:
    """A row for every tick of ``seconds``, and the row of the stop."""
    with recording as run:
        (host,) = run.values()
        ticks = host.tick.tolist()
        assert ticks[-1] == -1
        assert len(ticks) + run.run["facts"][next(iter(run))]["missed"] >= 10 * seconds
        unknown = [r for r in run.run["verdict"]["reasons"] if "what ended the run" in r]
        assert len(unknown) == (run.run["ended_by"] == "recover")
        others = [r for r in run.run["verdict"]["reasons"] if r not in unknown]
        assert all("ticks missed" in text or "late" in text for text in others), others


@pytest.mark.parametrize("error", ["ESTALE", "EACCES"])
def test_a_look_fails(tmp_path: Path, directory: FaultyDirectory, error: str) -> None:
    """Every look at the directory while the job runs fails: the files are there at the end."""
    run = Run(tmp_path, directory)
    directory.fail(error)
    time.sleep(2)
    directory.ok()
    run.end()
    check_whole(mpi_collector.load(directory.base), 3)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_it_fails_to_the_end(tmp_path: Path, directory: FaultyDirectory, error: str) -> None:
    """The spool stays, and recover makes the files of it."""
    run = Run(tmp_path, directory)
    directory.fail(error)
    run.end()
    check_whole(run.recovered(), 1)


def test_what_answers_for_it_is_killed(tmp_path: Path, directory: FaultyDirectory) -> None:
    run = Run(tmp_path, directory)
    directory.kill()
    time.sleep(2)
    run.end()
    check_whole(run.recovered(), 3)


def test_it_hangs(tmp_path: Path, directory: FaultyDirectory) -> None:
    """SIGTERM reaches COMMAND at once, its end is seen at once, and nobody waits for long after it."""
    run = Run(tmp_path, directory)
    directory.hang()
    time.sleep(1)
    run.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    run.wait_for(lambda: (tmp_path / "told").exists())
    assert time.monotonic() - told < 2
    ended = time.time_ns()
    assert run.end() < 20
    with run.recovered() as recording:
        (host,) = recording.values()
        assert abs(int(host.timestamp_ns[-1]) - ended) < 2e9


def test_it_hangs_for_a_while(tmp_path: Path, directory: FaultyDirectory) -> None:
    run = Run(tmp_path, directory)
    directory.hang()
    time.sleep(2)
    directory.ok()
    run.end()
    check_whole(mpi_collector.load(directory.base), 3)


def test_the_end_does_not_wait_for_a_full_time_out(
    tmp_path: Path, directory: FaultyDirectory
) -> None:
    """A SIGTERM after the end of COMMAND: what hangs is left at once."""
    run = Run(tmp_path, directory, "--gather-timeout", "100")
    directory.hang()
    (tmp_path / "end").touch()
    time.sleep(5)
    assert run.process.poll() is None, run.err
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(15) == 7, run.err
    run.recovered().close()


def test_ctrl_c_while_it_hangs(tmp_path: Path, directory: FaultyDirectory) -> None:
    """The second one leaves at once."""
    run = Run(tmp_path, directory, "--gather-timeout", "100")
    directory.hang()
    time.sleep(1)
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(1)
    run.process.wait(15)
    assert run.process.returncode == 128 + signal.SIGINT


def test_it_hangs_before_the_job(tmp_path: Path) -> None:
    """A mistake that the user can mend: exit code 2 after the time-out, and no job."""
    with faulty_directory(tmp_path) as directory:
        directory.hang()
        words = ["--start-timeout", "1", "--results-dir", str(directory.path), "--", "touch", "ran"]
        done = subprocess.run(
            [*_MINE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2, done.stderr
    assert "does not answer" in done.stderr and "--results-dir" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_one_look_in_ten_seconds(tmp_path: Path, directory: FaultyDirectory) -> None:
    """The storage under test is left alone while the job runs."""
    run = Run(tmp_path, directory)
    began = time.time()
    time.sleep(11)
    looks = [name for when, name in directory.requests() if when > began]
    assert len(looks) <= 2, looks
    run.end()


def test_a_request_to_stop_is_seen(tmp_path: Path, directory: FaultyDirectory) -> None:
    """One that is made on a host which sees only the results."""
    run = Run(tmp_path, directory)
    words = ["stop", "--results-dir", str(directory.path), "--spool-dir", "/nonexistent"]
    subprocess.run([*_MINE, *words], cwd=tmp_path, check=True, timeout=30)
    run.wait_for(lambda: list(directory.base.glob("*_timeseries.npz")))
    assert run.process.poll() is None
    run.end()
    with mpi_collector.load(directory.base) as recording:
        assert recording.run["ended_by"] == "request"


def test_the_keeper_is_killed(tmp_path: Path, directory: FaultyDirectory) -> None:
    run = Run(tmp_path, directory)
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    keepers = [c for c in children if b"keeper" in Path(f"/proc/{c}/cmdline").read_bytes()]
    os.kill(int(keepers[0]), signal.SIGKILL)
    time.sleep(0.5)
    run.end()
    check_whole(mpi_collector.load(directory.base), 1)
