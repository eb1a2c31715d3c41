"""A real DLIO run on this host, recorded: the suite's reader finds every metric of it, our files beside.

``MPI_COLLECTOR_TEST_DLIO_PYTHON`` names a Python that has DLIO; ``scripts/dlio`` makes one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from suite_rules import read_run, runs_below
from tensorflow_stand_in import write_tensorflow

import mpi_collector

PYTHON = os.environ.get("MPI_COLLECTOR_TEST_DLIO_PYTHON", "")
FILES = 4
#: of a workload with PyTorch's reader, as the suite writes them
OVERRIDES = {
    "dataset.num_files_train": FILES,
    "dataset.record_length": 100_000,
    "dataset.record_length_stdev": 0,
    "train.epochs": 2,
    "train.computation_time": 0.05,
    "workflow.checkpoint": False,
    "reader.read_threads": 1,
    "reader.batch_size": 2,
}
pytestmark = [
    pytest.mark.skipif(
        not os.access(PYTHON, os.X_OK),
        reason="MPI_COLLECTOR_TEST_DLIO_PYTHON names no Python with DLIO (scripts/dlio makes one)",
    ),
    pytest.mark.timeout(300),
]


def dlio(work: Path, directory: Path, generate: bool) -> list[str]:
    """Return the words that the suite starts DLIO with."""
    words = [f"++workload.{name}={value}" for name, value in OVERRIDES.items()]
    words += [
        f"++workload.dataset.data_folder={work / 'data'}",
        f"++workload.workflow.generate_data={generate}",
        f"++workload.workflow.train={not generate}",
        f"++hydra.run.dir={directory}",
        "++hydra.output_subdir=dlio_config",
    ]
    return [PYTHON, "-m", "dlio_benchmark.main", "workload=unet3d_h100", *words]


def environment(work: Path) -> dict[str, str]:
    there = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{work}:{there}" if there else str(work)}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with generated data."""
    work = tmp_path_factory.mktemp("dlio")
    write_tensorflow(work)
    done = subprocess.run(
        dlio(work, work / "generated", generate=True),
        env=environment(work),
        cwd=work,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((work / "data" / "train").iterdir())) == FILES
    return work


def read_yaml(path: Path) -> Any:
    """Read a file of Hydra's."""
    program = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)"
    return json.loads(subprocess.check_output([PYTHON, "-c", program, str(path)], timeout=60))


@pytest.mark.parametrize(
    ("verb", "run"),
    [("training run", "training/unet3d/run/20260105_120000"), ("collect", "")],
    ids=["in the suite's tree", "in DLIO's own directory"],
)
def test_all_metrics_are_found(work: Path, tmp_path: Path, verb: str, run: str) -> None:
    """Our files lie in its results directory: one run, whose summary and Hydra's files are read."""
    results = tmp_path / "results"
    results.mkdir()
    words = [*verb.split(), "--timeseries-interval", "0.2", "--spool-dir", str(tmp_path)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mpi_collector", *words, "--results-dir", str(results), "--"),
            *dlio(work, results / run, generate=False),
        ],
        env=environment(work),
        cwd=work,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert runs_below(results) == [results / run]
    assert not list(results.rglob("*metadata*"))
    found = read_run(results / run, read_yaml)
    summary = json.loads((results / run / "summary.json").read_text())
    assert found["metrics"] == summary["metric"]
    assert found["metrics"]["train_au_mean_percentage"] > 0
    assert found["metrics"]["train_throughput_mean_samples_per_second"] > 0
    assert found["model"] == "unet3d"
    assert found["parameters"]["dataset"]["num_files_train"] == FILES
    assert f"++workload.dataset.num_files_train={FILES}" in found["overrides"]
    (ours,) = results.glob("mpi_collector_*")
    about = json.loads(next(ours.glob("*_run.json")).read_text())
    assert (about["model"], about["accelerator"]) == ("unet3d", "h100")
    assert about["parameters"]["train"] == {"epochs": 2, "computation_time": 0.05}
    with mpi_collector.load(results) as recording:
        assert recording.run["command_exit_code"] == 0
        epochs = [mark for mark in recording.marks if mark.name in ("epoch 1", "epoch 2")]
        assert [mark.name for mark in epochs] == ["epoch 1", "epoch 2"]
        assert recording.run["start_ns"] < epochs[0].begin_ns < epochs[1].end_ns
        assert epochs[1].end_ns < recording.run["end_ns"]
