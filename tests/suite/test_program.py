"""``mpi_collector mlpstorage``: the suite's command with our collectors in place of its own, and around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from selection import all_tests
from suite_runs import ARGS, OWN, AdoptedRun, adopt, adopt_words, run_directory
from suite_standin import StandIn, build

import mpi_collector
from mpi_collector.benchmark.suite_installation import find_suite
from mpi_collector.cli.main import main

#: where one generation of the suite is as good as the other
GENERATIONS = [True, False] if all_tests() else [False]


def test_our_collectors_in_place_of_its_own(adopted: AdoptedRun) -> None:
    """Its files are its own, ours lie in a folder beside them; no file of the suite is touched."""
    done = adopted.done
    version = "2.0.0b1" if adopted.january else "3.0.27"
    assert OWN not in done.stderr
    assert f"MLPerf Storage {version} (package {adopted.suite.package}): replaced TimeSeriesCollector, MultiHostTimeSeriesCollector, " in done.stderr  # fmt: skip
    assert "the job has run" in done.stdout
    assert not adopted.changed
    kinds = {p.name.split("_", 3)[3] for p in adopted.ours.iterdir()} - {"report.html"}
    assert kinds == {"timeseries.npz", "timeseries.json", "cluster_info.json", "run.json"}
    assert all(p.name.startswith("training_") for p in adopted.ours.iterdir())
    assert not list(adopted.directory.glob(".mpi_collector*"))
    with mpi_collector.load(adopted.directory) as recording:
        (host,) = recording.values()
        assert len(host) >= (5 if adopted.january else 3)  # July's array is small
        assert [p.name for p in recording.marks] == ["epoch 1", "epoch 2"]
        assert recording.run["command"][1:3] == ARGS[adopted.january].split()[:2]
        assert recording.run["ended_by"] == "command"
        assert recording.run["interval_ns"] == 100_000_000
    series = json.loads(next(adopted.directory.glob("*_timeseries.json")).read_text())
    assert series["hosts_collected"] == series["hosts_requested"] == [host.key]
    assert {"diskstats", "vmstat", "meminfo"} <= set(series["samples_by_host"][host.key][0])
    about = json.loads(next(adopted.ours.glob("*_run.json")).read_text())
    assert (about["model"], about["accelerator"], about["num_processes"]) == ("unet3d", "h100", 2)
    assert about["parameters"] == {"dataset": {"num_files_train": 6}}
    assert "verdict: complete" in done.stderr


def test_what_the_suite_asks_for(adopted: AdoptedRun) -> None:
    """Its file has its own interval and number of samples, though ours are recorded."""
    with mpi_collector.load(adopted.directory) as recording:
        ((key, host),) = recording.items()
        ticks = [t for t in host.tick.tolist() if t % 2 == 0]
    series = json.loads(next(adopted.directory.glob("*_timeseries.json")).read_text())
    if adopted.january:  # its defaults
        assert series["collection_interval_seconds"] == 10.0
        assert len(series["samples_by_host"][key]) == 2
    else:
        assert key == "localhost"
        assert series["collection_interval_seconds"] == 0.2
        assert len(series["samples_by_host"][key]) == min(3, len(ticks) + 1)


def test_the_suites_exit_code(adopted: AdoptedRun) -> None:
    """A job that fails is recorded; its code is that of the suite, and of COMMAND in the run document."""
    code = 6 if adopted.january else 0
    assert adopted.done.returncode == code, adopted.done.stderr
    with mpi_collector.load(adopted.directory) as recording:
        assert len(recording) == 1
        assert recording.run["command_exit_code"] == code
        assert recording.run["command_ns"][1] > recording.run["command_ns"][0]
    about = json.loads(next(adopted.ours.glob("*_run.json")).read_text())
    assert about["exit_code"] == code


def test_every_loop_has_a_recording(tmp_path: Path) -> None:
    suite = build(tmp_path / "suite", january=False)
    done = adopt(suite, tmp_path / "results", False, "--loops", 2, STAND_IN_EPOCH_S="0.1")
    assert done.returncode == 0, done.stderr
    runs = {p.parent for p in (tmp_path / "results").rglob("*_metadata.json")}
    assert len(runs) == 2
    for directory in runs:
        assert len(list(directory.glob("mpi_collector_*/*_timeseries.npz"))) == 1


def test_stop_ends_the_recording_and_not_the_suite(tmp_path: Path) -> None:
    """``mpi_collector stop``: files are written at once, the suite gets the samples up to then, and runs on."""
    suite = build(tmp_path / "suite", january=False)
    results, log = tmp_path / "results", tmp_path / "stderr"
    with log.open("w") as err:
        process = subprocess.Popen(
            adopt_words(results, False),
            env={**suite.environ, "STAND_IN_EPOCH_S": "600"},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        try:
            _until(lambda: "recording 1 host" in log.read_text(), process)
            _until(lambda: _jobs(process.pid), process)
            assert main(["stop", "--spool-dir", str(tmp_path)]) == 0
            _until(lambda: list(results.rglob("*_timeseries.npz")), process)
            (job,) = _jobs(process.pid)
            os.kill(job, 9)  # the suite says that it failed
            assert process.wait(60) == 6, log.read_text()
        finally:
            process.kill()
            process.wait()
    assert "the suite goes on" in log.read_text()
    assert "Traceback" not in log.read_text()
    with mpi_collector.load(run_directory(results)) as recording:
        assert recording.run["ended_by"] == "request"
        assert recording.run["command_exit_code"] is None  # it had none yet
        (host,) = recording.values()
    series = json.loads(next(run_directory(results).glob("*_timeseries.json")).read_text())
    assert series["hosts_collected"] == [host.key]


def _until(happened: object, process: subprocess.Popen[bytes], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not happened():  # type: ignore[operator]
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _jobs(pid: int) -> list[int]:
    """The stand-in's jobs among the children of a process."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return [c for c in children if b"per_epoch_stats" in Path(f"/proc/{c}/cmdline").read_bytes()]


@pytest.mark.parametrize("args", [["--skip-timeseries"], []])
def test_nothing_to_record(tmp_path: Path, args: list[str]) -> None:
    """The suite was told to record nothing, or generates data: that is what happens."""
    suite = build(tmp_path / "suite", january=False)
    command = "run" if args else "datagen"
    words = ["open", "training", "unet3d", command, "file", "--results-dir", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-m", "mpi_collector", "mlpstorage", "--", *words, *args], capture_output=True, text=True,
                          timeout=60, env={**suite.environ, "STAND_IN_EPOCH_S": "0"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "r").rglob("mpi_collector_*"))
    assert ("records no time series of this run" in done.stderr) == bool(args)


def check_beside(run: AdoptedRun) -> None:
    """The suite's collectors have sampled, and the recording around it lies in its run directory."""
    assert run.done.returncode == 0, run.done.stderr
    assert f"{OWN} TimeSeriesCollector samples" in run.done.stderr
    assert "recorded beside it" in run.done.stderr
    assert len(list(run.ours.glob("training_*_run.json"))) == 1
    with mpi_collector.load(run.directory) as recording:
        assert [p.name for p in recording.marks] == ["epoch 1", "epoch 2"]
        assert recording.run["command_exit_code"] == 0
    assert not list(run.results.glob("*.json"))
    assert not list(run.results.glob(".mpi*"))


def test_beside(beside: AdoptedRun) -> None:
    check_beside(beside)


def test_a_class_that_is_called_otherwise(tmp_path: Path) -> None:
    """Found out when the suite has been imported: recorded beside it."""
    changes = {"extra_argument": ", cadence=None"}
    run = AdoptedRun.make(tmp_path, False, version="3.1.0", **changes)
    check_beside(run)
    assert "has an argument cadence" in run.done.stderr


@pytest.mark.parametrize(
    ("version", "known"),
    [(None, True), ("2.0.0b1", True), ("3.1.0", True), ("4.0.0", False), ("", False), ("x", False)],
)
def test_known_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, known: bool
) -> None:
    """Of a version that is not known the collectors are not replaced."""
    suite = build(tmp_path / "suite", january=False, version=version)
    monkeypatch.setenv("PATH", suite.environ["PATH"])
    monkeypatch.syspath_prepend(str(tmp_path / "suite" / "lib"))
    found = find_suite()
    assert found is not None
    assert (found.package, found.is_known) == ("mlpstorage_py", known)
    shown = version if version is not None else "3.0.27"
    assert found.described() == f"MLPerf Storage {shown or 'of unknown version'} (package mlpstorage_py)"  # fmt: skip


@pytest.mark.skipif(not all_tests(), reason="the versions are told apart in test_known_versions")
@pytest.mark.parametrize("version", ["4.0.0", ""])
def test_an_unknown_version(tmp_path: Path, version: str) -> None:
    run = AdoptedRun.make(tmp_path, False, version=version)
    check_beside(run)
    assert "its version is not known" in run.done.stderr


def test_a_suite_of_another_interpreter(tmp_path: Path) -> None:
    """Only its program is found: it runs as it is."""
    suite = build(tmp_path / "suite", january=False)
    program = tmp_path / "suite" / "bin" / "mlpstorage"
    program.rename(tmp_path / "suite" / "inner")
    program.write_text(
        f'#!/bin/sh\n# from mlpstorage_py.main import main\nPYTHONPATH={tmp_path}/suite/lib exec {tmp_path}/suite/inner "$@"\n'
    )
    program.chmod(0o755)
    environ = {**suite.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    suite = StandIn(suite.root, suite.package, environ)
    done = adopt(suite, tmp_path / "results", False)
    check_beside(AdoptedRun(suite, False, tmp_path / "results", done, False))
    assert "not installed for" in done.stderr


def test_no_suite(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert main(["mlpstorage", "--", *ARGS[False].split()]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "MLPerf Storage is not installed" in said


@pytest.mark.parametrize("january", GENERATIONS)
def test_a_recording_that_cannot_begin(tmp_path: Path, january: bool) -> None:
    """The suite's own collector takes its place: the job and the suite's files are never the loser."""
    run = AdoptedRun.make(
        tmp_path, january, "--hosts", "localhost", options="--transport mpi --mpi-bin /nowhere"
    )
    assert run.done.returncode == 0, run.done.stderr
    assert "the suite's own collector takes its place" in run.done.stderr
    assert f"{OWN} MultiHostTimeSeriesCollector samples" in run.done.stderr
    series = json.loads(next(run.directory.glob("*_timeseries.json")).read_text())
    assert series["hosts_collected"] == ["localhost"]
    assert not list(run.directory.glob("*mpi_collector*"))


@pytest.mark.parametrize("words", [[], ["--"]])
def test_no_args(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mlpstorage", *words])
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert (said.count("\n"), "no ARGS" in said) == (1, True)
