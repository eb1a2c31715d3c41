"""Where the files of a run go, decided when they are written.

The suite takes every directory below its results with one ``*_metadata.json`` for a run of its own,
and skips a directory with two. So a second run into one directory gets a subdirectory, and a run
beside files of the suite writes no ``*_metadata.json`` at all.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mpi_collector.output.files import RunFiles

BESIDE_SUITE = "run.json"  #: suffix of the run document there
#: what the suite and DLIO write into a run directory
_RUN_FILES = ("summary.json", "dlio.log")
_RUN_ENDINGS = ("per_epoch_stats.json", "_output.json")
_RUN_FOLDERS = ("dlio_config", ".hydra")
#: what ``mlpstorage init`` writes into a results directory
SENTINEL = "mlperf-results.yaml"
_LEVELS = 10  #: of directories between a results directory of the suite and a run
_TYPES = ("training", "checkpointing", "kv_cache", "vector_database")
#: directories below a results directory of the suite, since April 2026 and before
_TREES = (
    *(f"{mode}/*/results" for mode in ("closed", "open", "whatif")),
    *(f"{name}/*/{command}" for name in _TYPES for command in ("run", "datagen")),
    "checkpointing/*/20[0-9][0-9][0-9][0-9][0-9][0-9]_[0-9][0-9][0-9][0-9][0-9][0-9]",
)
_TYPE_LEVELS = 4  #: the directory of the type is so many levels above a run
RUN_NAME = re.compile(r"[0-9]{8}_[0-9]{6}")  #: of a run directory of the suite
_NAMES_MAX = 5000  #: names looked at in a directory


def place(files: RunFiles) -> RunFiles:
    """Return ``files`` with the directory that they go into, which is made. OSError."""
    if files.layout is not None:
        placed = replace(files, subdirectory=files.layout / files.datetime)
    elif belongs_to_suite(files.results_dir):
        placed = beside(files, files.results_dir)
    elif files.first and not any(files.results_dir.glob("*_metadata.json")):
        placed = files
    else:
        placed = replace(files, subdirectory=Path(files.stem))
    placed.directory.mkdir(parents=True, exist_ok=True)
    return placed


def beside(files: RunFiles, run_directory: Path) -> RunFiles:
    """Return ``files`` in a subdirectory of a directory of the suite, under names it ignores."""
    subdirectory = run_directory.absolute() / f"mpi_collector_{files.datetime}"
    if run_directory == files.results_dir:
        subdirectory = Path(subdirectory.name)
    return replace(files, subdirectory=subdirectory, document=BESIDE_SUITE)


def belongs_to_suite(directory: Path) -> bool:
    """Return whether a directory is a run directory of the suite, or holds or lies in a tree of it.

    False for what cannot be listed.
    """
    try:
        return is_suite_run(directory) or _holds_suite_runs(directory) or _below_sentinel(directory)
    except OSError:
        return False


def is_suite_run(directory: Path) -> bool:
    """Return whether the suite or DLIO has written into a directory, or named it for a run."""
    *above, name = directory.absolute().parts
    if RUN_NAME.fullmatch(name) and {*above[-_TYPE_LEVELS:]} & {*_TYPES}:
        return True
    for entry in islice(directory.iterdir(), _NAMES_MAX):
        name = entry.name
        if name in _RUN_FILES or name.endswith(_RUN_ENDINGS) or name in _RUN_FOLDERS:
            return True
        if name.endswith("_metadata.json") and not _is_ours(entry):
            return True
    return False


def _is_ours(metadata: Path) -> bool:
    """Return whether a ``*_metadata.json`` is of this program: its other files have its stem."""
    stem = metadata.name.removesuffix("_metadata.json")
    return any(
        metadata.with_name(f"{stem}_{suffix}").exists()
        for suffix in ("cluster_info.json", "timeseries.npz")
    )


def _holds_suite_runs(directory: Path) -> bool:
    return any(any(directory.glob(pattern)) for pattern in _TREES)


def _below_sentinel(directory: Path) -> bool:
    here = directory.absolute()
    return any((d / SENTINEL).exists() for d in islice((here, *here.parents), _LEVELS))
