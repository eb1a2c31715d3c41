"""``*_metadata.json``: the run in the suite's words, all keys always there.

The suite takes a metadata file with ``benchmark_type``, ``run_datetime``, ``num_processes`` and
``parameters`` as complete and reads no other file of the run. Our own keys are none of the suite's.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any, TypedDict

from mpi_collector.formats.cluster_info import ClusterInformation, ClusterSnapshots
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.suite_command import suite_command
from mpi_collector.formats.verdict import Verdict
from mpi_collector.formats.workload import (
    overrides_of,
    parameters_of,
    processes_of,
    workload_of,
)

#: key of ``args`` -> the parameter whose value it has
_ARGS = {
    "data_dir": "dataset.data_folder",
    "checkpoint_folder": "checkpoint.checkpoint_folder",
    "num_checkpoints_write": "checkpoint.num_checkpoints_write",
    "num_checkpoints_read": "checkpoint.num_checkpoints_read",
}


class TimeSeriesReference(TypedDict):
    """Where the time series of the run is."""

    file: str  #: base name
    num_samples: int  #: of all hosts
    interval_seconds: float
    hosts_collected: list[str]  #: hosts with at least one sample
    native_file: str  #: base name of the recording (ours)


class Metadata(TypedDict):
    """The whole document: the suite's keys, then ours."""

    benchmark_type: str
    model: str | None
    command: str  #: always "run"
    run_datetime: str  #: local time, YYYYMMDD_HHMMSS, as in the names of the files
    num_processes: int
    accelerator: str | None
    result_dir: str
    parameters: dict[str, Any]  #: what COMMAND sets, nested: {"dataset": {"num_files_train": 6}}
    override_parameters: dict[str, Any]  #: the same, flat: {"dataset.num_files_train": 6}
    system_info: None  #: the suite's other name of the next key
    cluster_information: ClusterInformation  #: at the start
    cluster_snapshots: ClusterSnapshots
    timeseries_data: TimeSeriesReference | None  #: None: --skip-timeseries
    runtime: float  #: of COMMAND, or of the recording where there was none; seconds
    invocation_start_time: str  #: begin of what ``runtime`` measures; local, as ``run_datetime``
    invocation_end_time: str
    verification: None  #: the suite's opinion of the parameters: we have none
    executed_command: str
    command_output_files: list[dict[str, str]]  #: always empty: COMMAND's output is its own
    args: dict[str, Any]  #: the suite's, as far as COMMAND tells, and options of the recording
    cluster_info_file: str  #: base name; the first of our keys
    hosts_requested: list[str]
    hosts_partial: list[str]
    errors: dict[str, str]  #: host -> why it is missing or incomplete
    collection_method: str
    exit_code: int | None  #: of COMMAND
    verdict: Verdict
    verdict_remarks: list[str]  #: what a reader must know of a run, whatever its verdict
    launch_environment: dict[str, str] | None  #: launcher and scheduler variables
    program: str
    run: str


def metadata(
    run: RunDocument,
    *,
    benchmark_type: str,
    run_datetime: str,
    result_dir: str,
    cluster: ClusterInformation,
    snapshots: ClusterSnapshots,
    timeseries: TimeSeriesReference | None,
    cluster_info_file: str,
) -> Metadata:
    """Return the metadata of ``run``; the other arguments are values of its keys."""
    command = run.get("command") or []
    workload = workload_of(command)
    processes = processes_of(command, len(run["hosts_requested"]))
    overrides = overrides_of(command)
    suite = suite_command(command)
    begin_ns, end_ns = run.get("command_ns") or (run["start_ns"], run["end_ns"])
    return {
        "benchmark_type": benchmark_type,
        "model": workload.model,
        "command": "run",
        "run_datetime": run_datetime,
        "num_processes": processes,
        "accelerator": workload.accelerator,
        "result_dir": result_dir,
        "parameters": parameters_of(command),
        "override_parameters": overrides,
        "system_info": None,
        "cluster_information": cluster,
        "cluster_snapshots": snapshots,
        "timeseries_data": timeseries,
        "runtime": (end_ns - begin_ns) / 1e9,
        "invocation_start_time": local_time(begin_ns),
        "invocation_end_time": local_time(end_ns),
        "verification": None,
        "executed_command": shlex.join(command),
        "command_output_files": [],
        "args": {
            **run["options"],
            "hosts": run["hosts_requested"],
            "command": "run",
            "model": workload.model,
            "accelerator_type": workload.accelerator,
            "num_processes": processes,
            "results_dir": result_dir,
            **_arguments(overrides),
            **(suite.arguments if suite else {}),
        },
        "cluster_info_file": cluster_info_file,
        "hosts_requested": run["hosts_requested"],
        "hosts_partial": list(run["hosts_partial"]),
        "errors": dict(run["hosts_partial"]),
        "collection_method": run["collection_method"],
        "exit_code": run.get("command_exit_code"),
        "verdict": run["verdict"],
        "verdict_remarks": run.get("verdict_remarks", []),
        "launch_environment": run.get("environment"),
        "program": run["program"],
        "run": run["run"],
    }


def time_series_reference(run: RunDocument, file: str, native_file: str) -> TimeSeriesReference:
    """Return the reference to the time series ``file`` and the recording ``native_file``."""
    samples = {key: facts["samples"] for key, facts in run["facts"].items()}
    return {
        "file": file,
        "num_samples": sum(samples.values()),
        "interval_seconds": run["interval_ns"] / 1e9,
        "hosts_collected": [key for key, count in samples.items() if count],
        "native_file": native_file,
    }


def local_time(utc_ns: int) -> str:
    """Return local time in whole seconds without a zone, as the suite compares it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(utc_ns // 1_000_000_000))


def _arguments(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the suite's command that parameters tell, data_dir always."""
    told = {key: overrides[name] for key, name in _ARGS.items() if name in overrides}
    return {"data_dir": None, **told}
