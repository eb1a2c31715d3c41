"""``*_metadata.json``: the run in the suite's words, all keys always there.

The suite takes a metadata file with ``benchmark_type``, ``run_datetime``, ``num_processes`` and
``parameters`` as complete and reads no other file of the run.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from mpi_collector.formats.cluster_info import ClusterInformation, ClusterSnapshots
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import Verdict
from mpi_collector.launchers import PROGRAMS

_ACCELERATED = re.compile(r"(.+)_([a-z]+[0-9]{2,4}[a-z]*)")  #: unet3d_h100
_COUNTS = ("-np", "-n", "--np", "--n", "--ntasks")
_COUNT = re.compile(r"(?:-n|-np=|-n=|--np=|--n=|--ntasks=)([0-9]+)")


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
    parameters: dict[str, str]
    override_parameters: dict[str, str]  #: always empty
    system_info: ClusterInformation  #: at the start
    cluster_information: ClusterInformation  #: the same
    cluster_snapshots: ClusterSnapshots
    timeseries_data: TimeSeriesReference | None  #: None: --skip-timeseries
    runtime: float  #: of COMMAND, or of the recording where there was none; seconds
    executed_command: str
    args: dict[str, Any]  #: options of the recording, and ``hosts``
    cluster_info_file: str  #: base name; the first of our keys
    hosts_requested: list[str]
    hosts_partial: list[str]
    errors: dict[str, str]  #: host -> why it is missing or incomplete
    collection_method: str
    exit_code: int | None  #: of COMMAND
    verdict: Verdict
    environment: dict[str, str] | None
    program: str
    run: str


class Workload(NamedTuple):
    """What COMMAND says of its workload; None where it says nothing."""

    model: str | None
    accelerator: str | None


def metadata(
    run: RunDocument,
    *,
    benchmark_type: str,
    run_datetime: str,
    result_dir: str,
    snapshots: ClusterSnapshots,
    timeseries: TimeSeriesReference | None,
    cluster_info_file: str,
) -> Metadata:
    """Return the metadata of ``run``; the other arguments are values of its keys."""
    command = run.get("command") or []
    workload = workload_of(command)
    begin_ns, end_ns = run.get("command_ns") or (run["start_ns"], run["end_ns"])
    return {
        "benchmark_type": benchmark_type,
        "model": workload.model,
        "command": "run",
        "run_datetime": run_datetime,
        "num_processes": processes_of(command, len(run["hosts_requested"])),
        "accelerator": workload.accelerator,
        "result_dir": result_dir,
        "parameters": parameters_of(command),
        "override_parameters": {},
        "system_info": snapshots["start"],
        "cluster_information": snapshots["start"],
        "cluster_snapshots": snapshots,
        "timeseries_data": timeseries,
        "runtime": (end_ns - begin_ns) / 1e9,
        "executed_command": shlex.join(command),
        "args": {**run["options"], "hosts": run["hosts_requested"]},
        "cluster_info_file": cluster_info_file,
        "hosts_requested": run["hosts_requested"],
        "hosts_partial": list(run["hosts_partial"]),
        "errors": dict(run["hosts_partial"]),
        "collection_method": run["collection_method"],
        "exit_code": run.get("command_exit_code"),
        "verdict": run["verdict"],
        "environment": run.get("environment"),
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


def parameters_of(command: Sequence[str]) -> dict[str, str]:
    """Return what COMMAND sets by words ``name=value``, as DLIO and Hydra take them.

    The + and ~ before the name, which Hydra takes as operators, are dropped.
    """
    out = {}
    for word in command:
        name, equals, value = word.partition("=")
        name = name.lstrip("+~")
        is_option = word.startswith("-")
        if equals and name and not is_option and all(c.isalnum() or c in "._" for c in name):
            out[name] = value
    return out


def workload_of(command: Sequence[str]) -> Workload:
    """Return both of ``workload=unet3d_h100``, the model of ``--model unet3d``."""
    for word, after in zip(command, [*command[1:], ""]):
        name = ""
        if word.startswith(("workload=", "--model=")):
            name = word.partition("=")[2]
        elif word == "--model":
            name = after
        if name:
            both = _ACCELERATED.fullmatch(name)
            return Workload(both[1], both[2]) if both else Workload(name, None)
    return Workload(None, None)


def processes_of(command: Sequence[str], hosts: int) -> int:
    """Return how many processes COMMAND starts by its launcher's options, else ``hosts``."""
    words = list(command)
    at = next((i for i, w in enumerate(words) if posixpath.basename(w) in PROGRAMS), None)
    if at is None:
        return hosts
    for word, after in zip(words[at + 1 :], [*words[at + 2 :], ""]):
        if word in _COUNTS and after.isdigit():
            return int(after)
        if found := _COUNT.fullmatch(word):
            return int(found[1])
    return hosts
