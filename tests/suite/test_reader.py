"""A reader by the rules of the suite, on run directories that hold our files, too: it finds all metrics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from suite_rules import first_metadata, read_run, runs_below
from suite_standin import build

METRICS = {"train_au_mean_percentage": 97.5, "train_throughput_mean_samples_per_second": 12.25}


@pytest.mark.parametrize("way", ["in place", "--beside", "collect", "training run"])
def test_all_metrics_are_found(tmp_path: Path, way: str) -> None:
    """The suite's run, recorded in each way: the reader finds one run, its own metadata, and every metric."""
    suite = build(tmp_path / "suite", january=False)
    results = tmp_path / "results"
    args = ["open", "training", "unet3d", "run", "file", "--results-dir", str(results)]
    fast = ["--timeseries-interval", "0.2", "--sources", "loadavg", "--spool-dir", str(tmp_path)]
    verb = {"collect": ["collect"], "training run": ["training", "run"]}.get(way, ["mlpstorage"])
    if verb == ["mlpstorage"]:
        words = [*verb, *fast, *(["--beside"] if way == "--beside" else []), "--", *args]
    else:  # with the same results directory
        words = [*verb, *fast, "--results-dir", str(results), "--", "mlpstorage", *args]
    done = subprocess.run([sys.executable, "-m", "mpi_collector", *words], env=suite.environ, cwd=tmp_path,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(results.rglob("*_timeseries.npz"))) == 1
    (run,) = runs_below(results)
    assert first_metadata(run).name == f"training_{run.name}_metadata.json"
    found = read_run(run)
    assert found["metrics"] == METRICS
    assert found["parameters"]["dataset"] == {"num_files_train": 6}
    assert (found["model"], found["overrides"]) == (
        "unet3d",
        ["++workload.dataset.num_files_train=6"],
    )


def test_a_recording_without_the_suite_is_one_run(tmp_path: Path) -> None:
    """Ours alone, twice in one directory: each is a run of its own, with parameters nested and typed."""
    results = tmp_path / "results"
    command = [
        "sh",
        "-c",
        "true",
        "sh",
        "workload=unet3d_h100",
        "++workload.dataset.num_files_train=6",
    ]
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "mpi_collector", "training", "run", "--timeseries-interval", "0.2", "--sources",
                        "loadavg", "--spool-dir", tmp_path, "--results-dir", results, "--", *command],
                       check=True, capture_output=True, timeout=60)  # fmt: skip
    runs = runs_below(results)
    assert len(runs) == 2
    for run in runs:
        found = read_run(run)
        assert (found["model"], found["parameters"]) == (
            "unet3d",
            {"dataset": {"num_files_train": 6}},
        )
