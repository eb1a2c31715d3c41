"""``*_metadata.json``: all keys, and what is read from COMMAND."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.formats.metadata import metadata, parameters_of, processes_of, workload_of
from mpi_collector.formats.run_document import run_document

KEYS = """benchmark_type model command run_datetime num_processes accelerator result_dir parameters
    override_parameters system_info cluster_information cluster_snapshots timeseries_data runtime
    executed_command args""".split()
COMMAND = "mpirun -np 8 dlio_benchmark workload=unet3d_h100 ++workload.reader.batch_size=7 --x=1"


def document(**changes: Any) -> dict[str, Any]:
    """Metadata of a run without hosts."""
    run: dict[str, Any] = {
        "run": "r",
        "stem": "training_20260105_120000",
        "benchmark": "training",
        "collection_method": "mpi",
        "ended_by": "command",
        "hosts": [],
        "hosts_requested": ["a", "b"],
        "hosts_partial": {"b": "no route"},
        "t0_ns": 0,
        "start_ns": 0,
        "end_ns": 3_000_000_000,
        "interval_ns": 1,
        "capacity": 1,
        "options": {"when_full": "stop"},
        "warnings": {},
        "clock_bound_ns": {},
        "facts": {},
        "marks": [],
    }
    cluster: Any = {"num_hosts": 0}
    return dict(
        metadata(
            run_document(**{**run, **changes}),
            benchmark_type="training",
            run_datetime="20260105_120000",
            result_dir="/r",
            snapshots={"start": cluster, "end": cluster, "collection_method": "mpi"},
            timeseries=None,
            cluster_info_file="training_20260105_120000_cluster_info.json",
        )
    )


def test_all_keys_are_there() -> None:
    """The suite's readers find every key also when little is known."""
    found = document()
    assert list(found)[: len(KEYS)] == KEYS
    assert found["parameters"] == {}
    assert found["executed_command"] == ""
    assert found["num_processes"] == 2
    assert found["runtime"] == 3.0
    assert found["errors"] == {"b": "no route"}
    assert found["args"] == {"when_full": "stop", "hosts": ["a", "b"]}
    assert found["system_info"] == found["cluster_information"] == {"num_hosts": 0}


def test_a_run_of_a_command() -> None:
    """Model, processes and run time are those of COMMAND."""
    found = document(command=COMMAND.split(), command_ns=[10**9, 3 * 10**9], command_exit_code=4)
    assert (found["model"], found["accelerator"]) == ("unet3d", "h100")
    assert found["num_processes"] == 8
    assert found["runtime"] == 2.0
    assert found["executed_command"] == COMMAND
    assert found["exit_code"] == 4


def test_parameters() -> None:
    found = parameters_of(COMMAND.split())
    assert found == {"workload": "unet3d_h100", "workload.reader.batch_size": "7"}


@pytest.mark.parametrize(
    ("command", "workload"),
    [
        (COMMAND, ("unet3d", "h100")),
        ("python bench.py --model llama3-8b", ("llama3-8b", None)),
        ("python bench.py --model", (None, None)),
        ("true", (None, None)),
    ],
)
def test_workload(command: str, workload: tuple[str | None, str | None]) -> None:
    assert workload_of(command.split()) == workload


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (COMMAND, 8),
        ("srun -N2 -n4 ./x", 4),
        ("env A=1 /opt/bin/mpiexec -f h -n 4 ./x", 4),
        ("mpirun --np=4 ./x", 4),
        ("srun --ntasks 4 ./x", 4),
        ("./run a=b -n 9", 3),
        ("python train.py -n 9", 3),
        ("mpirun ./x", 3),
        ("", 3),
    ],
)
def test_processes(command: str, count: int) -> None:
    """Those of the launcher's options, else one for each of three hosts."""
    assert processes_of(command.split(), 3) == count
