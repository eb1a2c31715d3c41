"""A reader by the rules of the suite, on run directories that hold our files, too: it finds all metrics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from suite_rules import first_metadata, read_run, runs_below
from suite_runs import AdoptedRun
from suite_standin import build

from mpi_collector.cli.main import main

METRICS = {"train_au_mean_percentage": 97.5, "train_throughput_mean_samples_per_second": 12.25}


def check(results: Path) -> None:
    """The reader finds one run, its own metadata, and every metric."""
    assert len(list(results.rglob("*_timeseries.npz"))) == 1
    (run,) = runs_below(results)
    assert first_metadata(run).name == f"training_{run.name}_metadata.json"
    found = read_run(run)
    assert found["metrics"] == METRICS
    assert found["parameters"]["dataset"] == {"num_files_train": 6}
    overrides = ["++workload.dataset.num_files_train=6"]
    assert (found["model"], found["overrides"]) == ("unet3d", overrides)


def test_our_collectors_in_place_of_its_own(adopted: AdoptedRun) -> None:
    check(adopted.results)


def test_beside(beside: AdoptedRun) -> None:
    check(beside.results)


@pytest.mark.parametrize("verb", ["collect", "training run"])
def test_around_the_suite(tmp_path: Path, verb: str) -> None:
    """With the results directory of the suite."""
    suite = build(tmp_path / "suite", january=False)
    results = tmp_path / "results"
    args = ["open", "training", "unet3d", "run", "file", "--results-dir", str(results)]
    fast = ["--timeseries-interval", "0.2", "--sources", "loadavg", "--spool-dir", str(tmp_path)]
    words = [*verb.split(), *fast, "--results-dir", str(results), "--", "mlpstorage", *args]
    done = subprocess.run([sys.executable, "-m", "mpi_collector", *words], env=suite.environ, cwd=tmp_path,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(results)


def test_a_recording_without_the_suite_is_one_run(tmp_path: Path) -> None:
    """Ours alone, twice in one directory: each is a run of its own, with parameters nested and typed."""
    words = ["training", "run", "--transport", "local", "--timeseries-interval", "0.2", "--sources", "loadavg"]  # fmt: skip
    places = ["--spool-dir", str(tmp_path), "--results-dir", str(tmp_path / "results")]
    command = ["sh", "-c", "true", "sh", "workload=unet3d_h100", "++workload.dataset.num_files_train=6"]  # fmt: skip
    for _ in range(2):
        assert main([*words, *places, "--", *command]) == 0
    runs = runs_below(tmp_path / "results")
    assert len(runs) == 2
    for run in runs:
        found = read_run(run)
        assert found["model"] == "unet3d"
        assert found["parameters"] == {"dataset": {"num_files_train": 6}}
