"""The command line of MLPerf Storage, where COMMAND is the suite's own program.

Since April 2026 it is ``mlpstorage MODE BENCHMARK [MODEL] COMMAND [file|object] OPTIONS``, as in
``mlpstorage open training unet3d run file ...``; before, ``mlpstorage BENCHMARK COMMAND --model
MODEL OPTIONS --open``. Only what is known of it is read; the suite itself says what is wrong.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

PROGRAM = "mlpstorage"
#: the suite's word on the command line -> its name of the benchmark in files
BENCHMARKS = {
    "training": "training",
    "checkpointing": "checkpointing",
    "kvcache": "kv_cache",
    "vectordb": "vector_database",
}
MODES = ("closed", "open", "whatif")
COMMANDS = ("run", "datagen", "datasize", "configview")
_MODULES = re.compile(r"mlpstorage(_py)?(\.main)?")  #: of ``python -m``
_DLIO = ("training", "checkpointing")

#: spelling -> name of the argument, of options with one value
_VALUES = {
    "--model": "model",
    "-m": "model",
    "--accelerator-type": "accelerator_type",
    "-at": "accelerator_type",
    "-g": "accelerator_type",
    "--num-accelerators": "num_processes",
    "-na": "num_processes",
    "--num-processes": "num_processes",
    "-np": "num_processes",
    "--max-accelerators": "num_processes",
    "-ma": "num_processes",
    "--npernode": "npernode",
    "--num-processes-per-client": "npernode",
    "--results-dir": "results_dir",
    "-rd": "results_dir",
    "--data-dir": "data_dir",
    "-dd": "data_dir",
    "--checkpoint-folder": "checkpoint_folder",
    "-cf": "checkpoint_folder",
    "--num-checkpoints-read": "num_checkpoints_read",
    "-ncr": "num_checkpoints_read",
    "--num-checkpoints-write": "num_checkpoints_write",
    "-ncw": "num_checkpoints_write",
    "--timeseries-interval": "timeseries_interval",
    "--max-timeseries-samples": "max_timeseries_samples",
    "--systemname": "systemname",
    "-sn": "systemname",
    "--vdb-engine": "vdb_engine",
    "--num-users": "num_users",
    "-nu": "num_users",
    "--duration": "duration",
    "-d": "duration",
    "--gpu-mem-gb": "gpu_mem_gb",
    "--cpu-mem-gb": "cpu_mem_gb",
    "--cache-dir": "cache_dir",
    "--generation-mode": "generation_mode",
    "--performance-profile": "performance_profile",
}
#: options with several values
_LISTS = {"--hosts": "hosts", "-s": "hosts"}
_DLIO_LISTS = {"--params": "params", "--param": "params", "-p": "params"}
#: options without a value
_FLAGS = frozenset(
    f"--{name}"
    for name in """open closed allow-invalid-params oversubscribe allow-run-as-root debug verbose
        quiet dry-run what-if skip-validation skip-timeseries skip-cluster-collection force
        disable-multi-turn disable-prefix-caching enable-rag enable-autoscaling distributed help
        """.split()  # noqa: SIM905 - a list of names
) | {"-aip", "-h"}
_NUMBERS = {
    "num_processes": int,
    "npernode": int,
    "num_checkpoints_read": int,
    "num_checkpoints_write": int,
    "num_users": int,
    "duration": int,
    "gpu_mem_gb": float,
    "cpu_mem_gb": float,
    "timeseries_interval": float,
    "max_timeseries_samples": int,
}
_PLAN_ONLY = ("--dry-run", "--what-if")
#: of the suite's KV cache benchmark
_KV_CACHE_DEFAULTS: dict[str, Any] = {
    "model": "llama3.1-8b",
    "num_users": 100,
    "duration": 60,
    "gpu_mem_gb": 16.0,
    "cpu_mem_gb": 32.0,
    "cache_dir": None,
    "generation_mode": "realistic",
}


@dataclass(frozen=True)
class SuiteCommand:
    """What the suite's command line says. None and empty where it does not."""

    mode: str | None  #: closed, open, whatif; None before April 2026 without --open, --closed
    benchmark: str | None  #: key of ``BENCHMARKS``
    command: str | None  #: run, datagen, ...
    positional: bool  #: the form since April 2026
    model: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)  #: by the suite's names of arguments
    hosts: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)  #: words NAME=VALUE
    flags: frozenset[str] = frozenset()

    @property
    def records(self) -> bool:
        """Whether the suite records this command: a ``run`` that is carried out."""
        return self.command == "run" and not self.flags & {*_PLAN_ONLY}

    @property
    def processes(self) -> int | None:
        """How many processes the benchmark has."""
        given = self.arguments.get("num_processes")
        if given is None and self.benchmark in ("kvcache", "vectordb") and self.hosts:
            return int(self.arguments.get("npernode", 1)) * len(self.hosts)
        return given

    def kv_cache(self) -> dict[str, Any]:
        """Return the eight values of the KV cache benchmark, the suite's defaults among them."""
        # April 2026 changed the default profile
        profile = "throughput" if self.positional else "latency"
        every = {**_KV_CACHE_DEFAULTS, "performance_profile": profile}
        return {name: self.arguments.get(name, default) for name, default in every.items()}


def suite_arguments(command: Sequence[str]) -> list[str] | None:
    """Return the words behind the suite's program in COMMAND; None when it is not the suite."""
    for n, word in enumerate(command):
        behind = list(command[n + 1 :])
        first = next((w for w in behind if not w.startswith("-")), "")
        # behind another program (uv run, env, nice) it may as well be a directory
        is_program = not n or first in MODES or first in BENCHMARKS
        if posixpath.basename(word) == PROGRAM and "=" not in word and is_program:
            return behind
        if _MODULES.fullmatch(word) and n and command[n - 1] == "-m":
            return behind
    return None


def suite_command(command: Sequence[str]) -> SuiteCommand | None:
    """Return what COMMAND says when it is the suite's; None when it is another program."""
    words = suite_arguments(command)
    return None if words is None else parse_suite(words)


def parse_suite(words: Sequence[str]) -> SuiteCommand:
    """Return what the suite's ARGS say."""
    benchmark = next((w for w in words if w in BENCHMARKS), None)
    lists = {**_LISTS, **(_DLIO_LISTS if benchmark in _DLIO else {})}
    if benchmark == "vectordb":  # there -s is the address of the database
        lists.pop("-s")
    given: dict[str, list[str]] = {}
    for name, value in _words(list(words), lists):
        given.setdefault(name, []).append(value)
    positional = given.pop("", [])
    flags = frozenset(given.pop("flag", []))
    hosts = [h for text in given.pop("hosts", []) for h in re.split(r"[,\s]+", text) if h]
    params = given.pop("params", [])
    arguments = {name: _number(name, values[-1]) for name, values in given.items()}
    mode, model = _mode(positional, flags), _model(positional, benchmark, arguments)
    if model is not None:
        arguments["model"] = model
    return SuiteCommand(
        mode=mode,
        benchmark=benchmark,
        command=next((w for w in positional if w in COMMANDS), None),
        positional=bool(positional) and positional[0] in MODES,
        model=model,
        arguments=arguments,
        hosts=hosts,
        params=[text for text in params if "=" in text],
        flags=flags,
    )


def _words(words: list[str], lists: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name of the argument, value); "" names a positional word, "flag" an option alone."""
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            yield "", word
        elif option in lists:
            if equals:
                yield lists[option], value
            while not equals and words and not words[0].startswith("-"):
                yield lists[option], words.pop(0)
        elif option in _FLAGS:
            yield "flag", option
        else:
            # an option that is not known here has a value, as most have
            if not equals:
                value = words.pop(0) if words and not words[0].startswith("-") else ""
            if option in _VALUES:
                yield _VALUES[option], value


def _number(name: str, value: str) -> int | float | str:
    try:
        return _NUMBERS[name](value) if name in _NUMBERS else value
    except ValueError:  # the suite refuses it
        return value


def _mode(positional: Sequence[str], flags: frozenset[str]) -> str | None:
    if positional and positional[0] in MODES:
        return positional[0]
    return next((mode for mode in ("open", "closed") if f"--{mode}" in flags), None)


def _model(
    positional: Sequence[str], benchmark: str | None, arguments: dict[str, Any]
) -> str | None:
    """Return the model: the word behind the benchmark, else that of --model."""
    if benchmark in _DLIO and benchmark in positional:
        behind = positional[positional.index(benchmark) + 1 :]
        if behind and behind[0] not in COMMANDS:
            return behind[0]
    if benchmark == "kvcache":
        return str(arguments.get("model", _KV_CACHE_DEFAULTS["model"]))
    return arguments.get("model") or arguments.get("vdb_engine")
