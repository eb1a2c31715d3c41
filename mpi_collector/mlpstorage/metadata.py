"""``{BT}_{datetime}_metadata.json``: the keys that the suite's readers need, all of them always there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


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
    return {
        "benchmark_type": benchmark_type,
        "model": model_of(command),
        "command": "run",
        "run_datetime": run_datetime,
        "num_processes": num_processes,
        "accelerator": None,
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
        if equals and name and not word.startswith("-") and all(c.isalnum() or c in "._" for c in name):
            out[name] = value
    return out


def model_of(command: Sequence[str]) -> str | None:
    """The workload's name: ``workload=unet3d_h100`` or ``--model unet3d``; None when nothing says."""
    words = list(command)
    for i, word in enumerate(words):
        if word.startswith(("workload=", "--model=")):
            return word.partition("=")[2] or None
        if word == "--model" and i + 1 < len(words):
            return words[i + 1]
    return None


def processes_of(command: Sequence[str], hosts: int) -> int:
    """How many processes COMMAND starts, from its launcher's words; else one per host."""
    words = list(command)
    for i, word in enumerate(words):
        if word in ("-np", "-n", "--np", "--ntasks") and i + 1 < len(words) and words[i + 1].isdigit():
            return int(words[i + 1])
        if word.startswith("--ntasks=") and word[9:].isdigit():
            return int(word[9:])
        if not word.startswith("-") and i and "=" in word:
            break
    return hosts
