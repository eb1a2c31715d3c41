"""``*_metadata.json``: all keys, and what is read from COMMAND."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mpi_collector.formats.metadata import metadata
from mpi_collector.formats.run_document import run_document

KEYS = """benchmark_type model command run_datetime num_processes accelerator result_dir parameters
    override_parameters system_info cluster_information cluster_snapshots timeseries_data runtime
    invocation_start_time invocation_end_time verification executed_command command_output_files args""".split()
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
            cluster=cluster,
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
    assert found["args"] == {
        "when_full": "stop",
        "hosts": ["a", "b"],
        "command": "run",
        "model": None,
        "accelerator_type": None,
        "num_processes": 2,
        "results_dir": "/r",
        "data_dir": None,
    }
    assert (found["verification"], found["command_output_files"]) == (None, [])
    assert found["system_info"] is None
    assert found["cluster_information"] == {"num_hosts": 0}


def test_a_run_of_a_command() -> None:
    """Model, processes and run time are those of COMMAND."""
    found = document(command=COMMAND.split(), command_ns=[10**9, 3 * 10**9], command_exit_code=4)
    assert (found["model"], found["accelerator"]) == ("unet3d", "h100")
    assert found["num_processes"] == 8
    assert found["runtime"] == 2.0
    assert found["executed_command"] == COMMAND
    assert found["exit_code"] == 4


def test_what_the_suites_checker_reads() -> None:
    """Parameters are nested and typed, directories and counts are in ``args``, times are local."""
    words = [
        *COMMAND.split(),
        "++workload.dataset.num_files_train=6",
        "++workload.dataset.data_folder=/mnt/data",
        "++workload.checkpoint.num_checkpoints_read=0",
    ]
    found = document(command=words, command_ns=[1_500_000_000, 4 * 10**9])
    assert found["parameters"] == {
        "reader": {"batch_size": 7},
        "dataset": {"num_files_train": 6, "data_folder": "/mnt/data"},
        "checkpoint": {"num_checkpoints_read": 0},
    }
    assert found["override_parameters"] == {
        "reader.batch_size": 7,
        "dataset.num_files_train": 6,
        "dataset.data_folder": "/mnt/data",
        "checkpoint.num_checkpoints_read": 0,
    }
    args = found["args"]
    assert (args["data_dir"], args["results_dir"], args["model"]) == ("/mnt/data", "/r", "unet3d")
    assert (args["num_processes"], args["num_checkpoints_read"]) == (8, 0)
    assert "num_checkpoints_write" not in args
    times = [datetime.fromisoformat(found[f"invocation_{edge}_time"]) for edge in ("start", "end")]
    assert times == [datetime.fromtimestamp(1), datetime.fromtimestamp(4)]
    assert all(time.tzinfo is None for time in times)  # the suite subtracts them


def test_our_keys_are_none_of_the_suites() -> None:
    """Of the suite's own keys there is none that has another meaning here."""
    found = document(environment={"SLURM_JOB_ID": "7"})
    assert found["launch_environment"] == {"SLURM_JOB_ID": "7"}
    assert not {"environment", "drives", "metrics", "end_datetime", "exit_status"} & set(found)
