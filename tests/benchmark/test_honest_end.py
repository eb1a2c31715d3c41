"""What the verdict says of a recording that did not see its own end: it stood still, or its launcher was lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from bed import poll

import mpi_collector
from mpi_collector.node.spool.directory import find_spools
from mpi_collector.store.recording import Recording

CLI = [sys.executable, "-m", "mpi_collector"]


def start(place: Path, words: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
    """A run of the program that samples."""
    (place / "spool").mkdir()
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            [*CLI, *words], stderr=said, stdin=subprocess.DEVNULL, env={**os.environ, **env}
        )
    poll("it samples", 60, lambda: b"if this process dies" in (place / "said").read_bytes())
    return process


def options(place: Path) -> list[str]:
    results, spool = place / "results", place / "spool"
    return ["--results-dir", str(results), "--spool-dir", str(spool), "--timeseries-interval", "0.1",
            "--sources", "loadavg"]  # fmt: skip


def stand_still(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def recovered(place: Path) -> Recording:
    poll("nothing writes the spools", 30, lambda: not any(s["alive"] for s in spools(place)))
    (run,) = {s["run"] for s in spools(place)}
    words = ["recover", run, "--results-dir", place / "results", "--spool-dir", place / "spool"]
    done = subprocess.run([*CLI, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return mpi_collector.load(place / "results")


def spools(place: Path) -> list[dict[str, object]]:
    return find_spools(str(place / "spool"))


@pytest.mark.parametrize("full", ["decimate", "ring", "stop", ""])
def test_stopped_over_the_end_of_the_job(tmp_path: Path, full: str) -> None:
    """Ticks are due up to the row of the stop, whatever happens when the array is full."""
    small = ["--max-timeseries-samples", "64", "--when-full", full] if full else []
    process = start(tmp_path, [*options(tmp_path), *small, "--", "sleep", "2.5"])
    time.sleep(0.8)
    stand_still(process, 3)
    assert process.wait(60) == 0
    with mpi_collector.load(tmp_path / "results") as run:
        (facts,) = run.run["facts"].values()
        assert 5 <= facts["ticks"] <= 15
        last_ns = int(run[next(iter(run))].timestamp_ns[-1])
        due = (last_ns - run.run["start_ns"]) // run.run["interval_ns"]
        assert due > 28
        assert abs(facts["ticks"] + facts["missed"] - due) <= 1
        assert run.run["verdict"]["verdict"] == "partial"
        assert any("ticks missed" in r for r in run.run["verdict"]["reasons"])


def test_stopped_over_the_end_of_the_duration(tmp_path: Path) -> None:
    """No tick is due after it."""
    process = start(tmp_path, [*options(tmp_path), "--duration", "2"])
    time.sleep(0.8)
    stand_still(process, 3)
    assert process.wait(60) == 0
    with mpi_collector.load(tmp_path / "results") as run:
        (facts,) = run.run["facts"].values()
        assert facts["ticks"] + facts["missed"] == 20
        assert run.run["verdict"]["verdict"] == "partial"


def test_an_undisturbed_run_misses_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, [*options(tmp_path), "--duration", "1"])
    assert process.wait(60) == 0
    with mpi_collector.load(tmp_path / "results") as run:
        (facts,) = run.run["facts"].values()
        assert facts["ticks"] + facts["missed"] == 10
        assert (facts["complete"], facts["ended_by"]) == (True, "stop")


def test_the_launcher_is_lost(tmp_path: Path) -> None:
    """Its agent ends by itself and notes a regular end: the run was none of 60 s all the same."""
    words = ["kvcache", "run", "--transport", "ssh", "--hosts", "localhost", *options(tmp_path)]
    process = start(tmp_path, [*words, "--", "sleep", "60"], MPI_COLLECTOR_ORPHAN_S="2")
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with recovered(tmp_path) as run:
        assert run.run["verdict"]["verdict"] == "partial"
        assert run.run["ended_by"] == "launcher lost"
        assert any("ended by: launcher lost" in r for r in run.run["verdict"]["reasons"])
    shown = subprocess.run([*CLI, "summary", str(tmp_path / "results")], capture_output=True, text=True, check=True)  # fmt: skip
    assert "ended by: launcher lost" in shown.stdout and "ended by launcher lost" in shown.stdout


def test_the_program_around_it_is_lost(tmp_path: Path) -> None:
    """The same for the child process that records inside of a Python program."""
    (tmp_path / "spool").mkdir()
    code = (
        "import mpi_collector, sys, time\n"
        "with mpi_collector.collect(interval=0.1, sources='loadavg', results_dir=sys.argv[1], spool_dir=sys.argv[2]):\n"
        "    print('on', flush=True); time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "results"), str(tmp_path / "spool")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    with recovered(tmp_path) as run:
        assert run.run["ended_by"] == "launcher lost"
        assert run.run["verdict"]["verdict"] == "partial"


def test_killed(tmp_path: Path) -> None:
    """Everything at once: the recording breaks off, and nobody can say why."""
    process = start(tmp_path, options(tmp_path))
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with recovered(tmp_path) as run:
        assert run.run["ended_by"] == "recover"
        assert any("breaks off" in r for r in run.run["verdict"]["reasons"])
