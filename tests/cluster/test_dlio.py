"""A real DLIO training run across three hosts, recorded.

``MPI_COLLECTOR_TEST_DLIO_PYTHON`` names a Python that has DLIO; ``scripts/dlio`` makes one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bed import Bed, Mpi
from tensorflow_stand_in import write_tensorflow

import mpi_collector

PYTHON = os.environ.get("MPI_COLLECTOR_TEST_DLIO_PYTHON", "")


@pytest.mark.skipif(
    not PYTHON, reason="MPI_COLLECTOR_TEST_DLIO_PYTHON names no Python with dlio-benchmark"
)
@pytest.mark.timeout(300)
def test_dlio_training(bed: Bed, openmpi: Mpi) -> None:
    """Its exit code and files are its own, every host is recorded, its epochs are phases of the recording."""
    work, results = bed.directory("dlio"), bed.directory("results")
    write_tensorflow(work)
    words = ["workload=unet3d_v100", "++workload.dataset.num_files_train=24", "++workload.dataset.record_length=1000000",
             "++workload.dataset.record_length_stdev=0", f"++workload.dataset.data_folder={work}/data", "++workload.train.epochs=2",
             "++workload.train.computation_time=0.2", "++workload.workflow.checkpoint=False", "++workload.reader.read_threads=1",
             "++workload.reader.batch_size=2"]  # fmt: skip
    mpirun = str(Path(PYTHON).parent / "mpirun")
    inner = Mpi("openmpi", PYTHON, mpirun).ranks(3, bed.hostfile(openmpi, (1, 2, 3)), "-m", "dlio_benchmark.main", *words,
                                                 env={"PYTHONPATH": str(work)})  # fmt: skip
    generate = bed.run(0, [*inner, "++workload.workflow.generate_data=True", "++workload.workflow.train=False",
                           f"hydra.run.dir={work}/generate"], 120)  # fmt: skip
    assert generate.process.returncode == 0, generate.err[-2000:]
    train = [
        *inner,
        "++workload.workflow.generate_data=False",
        "++workload.workflow.train=True",
        f"hydra.run.dir={work}/train",
    ]
    job = bed.run(0, [openmpi.python, "-m", "mpi_collector", "training", "run", "--hosts", "node[1-3]", "--mpi-bin", openmpi.mpirun,
                      "--timeseries-interval", "0.5", "--results-dir", str(results), "--", *train], 200)  # fmt: skip
    assert job.process.returncode == 0, job.err[-3000:]
    assert json.loads((work / "train" / "summary.json").read_text())["num_accelerators"] == 3
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]
        assert run.run["collection_method"] == "mpi"
        epochs = [p for p in run.marks if p.name in ("epoch 1", "epoch 2")]
        assert [p.name for p in epochs] == ["epoch 1", "epoch 2"]
        assert run.run["start_ns"] < epochs[0].begin_ns < epochs[1].end_ns < run.run["end_ns"]
    metadata = json.loads(next(results.glob("*_metadata.json")).read_text())
    assert (metadata["model"], metadata["accelerator"]) == ("unet3d", "v100")
    assert metadata["num_processes"] == 3
    assert metadata["parameters"]["train"] == {"epochs": 2, "computation_time": 0.2}
