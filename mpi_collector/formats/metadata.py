"""``{BT}_{datetime}_metadata.json``: the keys that the suite's readers need, all of them always there."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mpi_collector.launchers import PROGRAMS

_ACCELERATED = re.compile(r"(.+)_([a-z]+[0-9]{2,4}[a-z]*)")  #: unet3d_h100
_COUNTS = ("-np", "-n", "--np", "--n", "--ntasks")
_COUNT = re.compile(r"(?:-n|-np=|-n=|--np=|--n=|--ntasks=)([0-9]+)")


def metadata(
    *,
    benchmark_type: str,
    run_datetime: str,
    result_dir: str,
    command: Sequence[str],
    runtime_s: float,
    cluster: Mapping[str, Any] | None,
    snapshots: Mapping[str, Any] | None,
    timeseries: Mapping[str, Any] | None,
    args: Mapping[str, Any],
    num_processes: int,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """``cluster`` is the start's ClusterInformation, ``snapshots`` {start, end, collection_method}, ``timeseries`` {file,
    num_samples, interval_seconds, hosts_collected} or None when none was taken. ``extra``: keys of our own."""
    parameters = parameters_of(command)
    model, accelerator = workload_of(command)
    return {
        "benchmark_type": benchmark_type,
        "model": model,
        "command": "run",
        "run_datetime": run_datetime,
        "num_processes": num_processes,
        "accelerator": accelerator,
        "result_dir": result_dir,
        "parameters": parameters,
        "override_parameters": {},
        "system_info": cluster,
        "cluster_information": cluster,
        "cluster_snapshots": snapshots,
        "timeseries_data": timeseries,
        "runtime": float(runtime_s),
        "executed_command": shlex.join(command),
        "args": dict(args),
        **extra,
    }


def parameters_of(command: Sequence[str]) -> dict[str, str]:
    """What ``command`` sets by ``name=value`` words, as DLIO and Hydra take them: plus signs dropped."""
    out = {}
    for word in command:
        name, equals, value = word.partition("=")
        name = name.lstrip("+~")
        if (
            equals
            and name
            and not word.startswith("-")
            and all(c.isalnum() or c in "._" for c in name)
        ):
            out[name] = value
    return out


def workload_of(command: Sequence[str]) -> tuple[str | None, str | None]:
    """(model, accelerator): of ``workload=unet3d_h100`` both, of ``--model unet3d`` one; None where nothing says."""
    words = list(command)
    for i, word in enumerate(words):
        name = ""
        if word.startswith(("workload=", "--model=")):
            name = word.partition("=")[2]
        elif word == "--model" and i + 1 < len(words):
            name = words[i + 1]
        if name:
            split = _ACCELERATED.fullmatch(name)
            return (split[1], split[2]) if split else (name, None)
    return None, None


def processes_of(command: Sequence[str], hosts: int) -> int:
    """How many processes COMMAND starts, from its launcher's words; else one per host."""
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
