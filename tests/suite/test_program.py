"""``mpi_collector mlpstorage``: the suite's command with our collectors in place of its own, and around it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from suite_standin import StandIn, build

import mpi_collector

#: ARGS of the same run in both forms of the suite's command line
ARGS = {
    True: "training run --model unet3d --open",
    False: "open training unet3d run file",
}
OWN = "the suite's own"


@pytest.fixture(params=[True, False], ids=["january", "july"])
def january(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def run(
    suite: StandIn, results: Path, january: bool, *args: object, options: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the verb with a short interval; ``args`` go to the suite."""
    fast = [
        "--timeseries-interval",
        "0.1",
        "--sources",
        "basic",
        "--spool-dir",
        str(results.parent),
    ]
    words = [*ARGS[january].split(), "--results-dir", results, *args]
    return subprocess.run(
        [sys.executable, "-m", "mpi_collector", "mlpstorage", *fast, *options.split(), "--", *map(str, words)],
        capture_output=True, text=True, timeout=120, env=suite.environ, cwd=results.parent, check=False,
    )  # fmt: skip


def run_directory(results: Path) -> Path:
    (path,) = (p.parent for p in results.rglob("*_metadata.json"))
    return path


def test_our_collectors_in_place_of_its_own(tmp_path: Path, january: bool) -> None:
    """Its files are its own, ours lie in a folder beside them; no file of the suite is touched."""
    suite = build(tmp_path / "suite", january)
    image = suite.image()
    done = run(suite, tmp_path / "results", january, "--num-accelerators", 2, "--accelerator-type", "h100",
               "--params", "dataset.num_files_train=6", options="--report auto")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert OWN not in done.stderr
    assert f"MLPerf Storage {'2.0.0b1' if january else '3.0.27'} (package {suite.package}): replaced TimeSeriesCollector, MultiHostTimeSeriesCollector, " in done.stderr  # fmt: skip
    assert "the job has run" in done.stdout
    assert suite.image() == image
    directory = run_directory(tmp_path / "results")
    (ours,) = directory.glob("mpi_collector_*")
    kinds = {p.name.split("_", 3)[3] for p in ours.iterdir()} - {"report.html"}
    assert kinds == {"timeseries.npz", "timeseries.json", "cluster_info.json", "run.json"}
    assert all(p.name.startswith("training_") for p in ours.iterdir())
    assert not list(directory.glob(".mpi_collector*"))
    with mpi_collector.load(directory) as recording:
        (host,) = recording.values()
        assert len(host) >= 5
        assert [p.name for p in recording.marks] == ["epoch 1", "epoch 2"]
        assert recording.run["command"][1:3] == ARGS[january].split()[:2]
        assert recording.run["ended_by"] == "command"
    series = json.loads(next(directory.glob("*_timeseries.json")).read_text())
    assert series["hosts_collected"] == series["hosts_requested"] == [host.key]
    assert {"diskstats", "vmstat", "meminfo"} <= set(series["samples_by_host"][host.key][0])
    about = json.loads(next(ours.glob("*_run.json")).read_text())
    assert (about["model"], about["accelerator"], about["num_processes"]) == ("unet3d", "h100", 2)
    assert about["parameters"] == {"dataset": {"num_files_train": 6}}
    assert "verdict: complete" in done.stderr


def test_what_the_suite_asks_for(tmp_path: Path, january: bool) -> None:
    """Its interval and its number of samples where ours are not given; with ours, its file still has its own."""
    suite = build(tmp_path / "suite", january)
    done = run(suite, tmp_path / "results", january, "--timeseries-interval", 0.2, "--max-timeseries-samples", 3,
               "--hosts", "localhost:2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    directory = run_directory(tmp_path / "results")
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["localhost"]
        assert recording.run["interval_ns"] == 100_000_000
        ticks = [t for t in recording["localhost"].tick.tolist() if t % 2 == 0]
    series = json.loads(next(directory.glob("*_timeseries.json")).read_text())
    assert (series["collection_interval_seconds"], series["hosts_requested"]) == (
        0.2,
        ["localhost"],
    )
    assert len(series["samples_by_host"]["localhost"]) == min(3, len(ticks) + 1)


@pytest.mark.parametrize("code", [1])
def test_the_suites_exit_code(tmp_path: Path, january: bool, code: int) -> None:
    """A job that fails is recorded, and its code is the suite's."""
    suite = build(tmp_path / "suite", january)
    done = run(suite, tmp_path / "results", january, "--job-code", code)
    assert done.returncode == (6 if code else 0), done.stderr
    with mpi_collector.load(run_directory(tmp_path / "results")) as recording:
        assert len(recording) == 1


def test_every_loop_has_a_recording(tmp_path: Path) -> None:
    suite = build(tmp_path / "suite", january=False)
    done = run(suite, tmp_path / "results", False, "--loops", 2)
    assert done.returncode == 0, done.stderr
    runs = {p.parent for p in (tmp_path / "results").rglob("*_metadata.json")}
    assert len(runs) == 2
    for directory in runs:
        assert len(list(directory.glob("mpi_collector_*/*_timeseries.npz"))) == 1


@pytest.mark.parametrize("args", [["--skip-timeseries"], []])
def test_nothing_to_record(tmp_path: Path, args: list[str]) -> None:
    """The suite was told to record nothing, or generates data: that is what happens."""
    suite = build(tmp_path / "suite", january=False)
    words = [
        "open",
        "training",
        "unet3d",
        "run" if args else "datagen",
        "file",
        "--results-dir",
        str(tmp_path / "r"),
    ]
    done = subprocess.run([sys.executable, "-m", "mpi_collector", "mlpstorage", "--", *words, *args],
                          capture_output=True, text=True, timeout=60, env=suite.environ, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "r").rglob("mpi_collector_*"))
    assert ("records no time series of this run" in done.stderr) == bool(args)


def beside(
    tmp_path: Path, suite: StandIn, january: bool, done: subprocess.CompletedProcess[str]
) -> None:
    """The suite's collectors have sampled, and the recording around it lies in its run directory."""
    assert done.returncode == 0, done.stderr
    assert f"{OWN} TimeSeriesCollector samples" in done.stderr
    assert "recorded beside it" in done.stderr
    directory = run_directory(tmp_path / "results")
    (ours,) = directory.glob("mpi_collector_*")
    assert len(list(ours.glob("training_*_run.json"))) == 1
    with mpi_collector.load(directory) as recording:
        assert [p.name for p in recording.marks] == ["epoch 1", "epoch 2"]
        assert recording.run["command_exit_code"] == 0
    assert not list((tmp_path / "results").glob("*.json"))
    assert not list((tmp_path / "results").glob(".mpi*"))


def test_beside(tmp_path: Path, january: bool) -> None:
    suite = build(tmp_path / "suite", january)
    beside(tmp_path, suite, january, run(suite, tmp_path / "results", january, options="--beside"))


@pytest.mark.parametrize(
    ("version", "changes", "said"),
    [
        ("4.0.0", {}, "its version is not known"),
        ("", {}, "its version is not known"),
        ("3.1.0", {"extra_argument": ", cadence=None"}, "has an argument cadence"),
    ],
)
def test_an_unknown_version(
    tmp_path: Path, version: str, changes: dict[str, str], said: str
) -> None:
    """By its number, or by a class that is called otherwise."""
    suite = build(tmp_path / "suite", False, version, **changes)
    done = run(suite, tmp_path / "results", False)
    beside(tmp_path, suite, False, done)
    assert said in done.stderr


def test_a_suite_of_another_interpreter(tmp_path: Path) -> None:
    """Only its program is found: it runs as it is."""
    suite = build(tmp_path / "suite", january=False)
    program = tmp_path / "suite" / "bin" / "mlpstorage"
    program.rename(tmp_path / "suite" / "inner")
    program.write_text(
        f'#!/bin/sh\n# from mlpstorage_py.main import main\nPYTHONPATH={tmp_path}/suite/lib exec {tmp_path}/suite/inner "$@"\n'
    )
    program.chmod(0o755)
    import os

    environ = {**suite.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = run(StandIn(suite.root, suite.package, environ), tmp_path / "results", False)
    beside(tmp_path, suite, False, done)
    assert "not installed for" in done.stderr


def test_no_suite(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mpi_collector", "mlpstorage", "--", *ARGS[False].split()],
                          capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}, check=False)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "MLPerf Storage is not installed" in done.stderr


def test_a_recording_that_cannot_begin(tmp_path: Path, january: bool) -> None:
    """The suite's own collector takes its place: the job and the suite's files are never the loser."""
    suite = build(tmp_path / "suite", january)
    done = run(
        suite,
        tmp_path / "results",
        january,
        "--hosts",
        "localhost",
        options="--transport mpi --mpi-bin /nowhere",
    )
    assert done.returncode == 0, done.stderr
    assert "the suite's own collector takes its place" in done.stderr
    assert f"{OWN} MultiHostTimeSeriesCollector samples" in done.stderr
    directory = run_directory(tmp_path / "results")
    series = json.loads(next(directory.glob("*_timeseries.json")).read_text())
    assert series["hosts_collected"] == ["localhost"]
    assert not list(directory.glob("*mpi_collector*"))


def test_no_args() -> None:
    for words in ([], ["--"]):
        done = subprocess.run([sys.executable, "-m", "mpi_collector", "mlpstorage", *words],
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "no ARGS" in done.stderr
