"""The directories of a COMMAND that is the suite: its results, and the run that it has made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mpi_collector.benchmark.keeper.values import RecordedCommand
from mpi_collector.formats.suite_command import SuiteCommand, suite_command
from mpi_collector.output.files import RunFiles
from mpi_collector.output.placement import RUN_NAME, beside, place

RESULTS_VARIABLE = "MLPERF_RESULTS_DIR"  #: of the suite
_DEFAULT_RESULTS = "mlperf_storage_results"  #: below the directory of temporary files
_LEVELS = 10  #: of directories between the results of the suite and a run
_FOLDERS_MAX = 20_000  #: looked at below the results
_STAMP_S = 2.0  #: file systems stamp times as coarsely


def suite_results(
    suite: SuiteCommand | None = None, environ: Mapping[str, str] = os.environ
) -> Path:
    """Return the results directory that the suite writes into, by default or with ``suite``."""
    named = suite.arguments.get("results_dir") if suite is not None else None
    given = named or environ.get(RESULTS_VARIABLE)
    return Path(str(given)) if given else Path(tempfile.gettempdir(), _DEFAULT_RESULTS)


def suite_run_directory(suite: SuiteCommand, since_ns: int) -> Path | None:
    """Return the newest run directory that the suite has made since a moment (UTC, ns)."""
    since_s = since_ns / 1e9 - _STAMP_S
    found = []
    for path in run_directories(suite_results(suite)):
        try:
            found.append((path.stat().st_mtime, path))
        except OSError:  # gone
            continue
    changed_s, newest = max(found, default=(0.0, Path()))
    return newest if changed_s >= since_s else None


def run_directories(results: Path) -> Iterator[Path]:
    """Yield the directories below ``results`` that are named by a datetime."""
    left = _FOLDERS_MAX
    base = len(results.parts)
    for folder, folders, _files in os.walk(results):
        left -= len(folders)
        yield from (Path(folder, name) for name in folders if RUN_NAME.fullmatch(name))
        # nothing below a run is one
        folders[:] = [name for name in folders if not RUN_NAME.fullmatch(name)]
        if len(Path(folder).parts) - base >= _LEVELS or left < 0:
            folders[:] = []


def made_by_suite(command: RecordedCommand) -> Path | None:
    """Return the run directory of the suite that COMMAND is; None when there is none."""
    suite = suite_command(command.words)
    if command.suite_run is not None or suite is None:
        return command.suite_run
    return suite_run_directory(suite, command.begin_ns)


def placed_files(files: RunFiles, command: RecordedCommand) -> RunFiles:
    """Return the files of a run that has ended, in the directory that they go into.

    OSError when that cannot be made.
    """
    suite = suite_command(command.words)
    directory = command.suite_run
    if suite is not None and command.beside_suite:
        directory = made_by_suite(command) or files.results_dir
    elif suite is not None and directory is None and _shares(suite, files.results_dir):
        directory = files.results_dir
    if directory is None:
        return place(files)
    placed = beside(files, directory)
    placed.directory.mkdir(parents=True, exist_ok=True)
    return placed


def _shares(suite: SuiteCommand, directory: Path) -> bool:
    """Return whether the suite finds what is written into ``directory`` among its results."""
    try:
        results, here = suite_results(suite).resolve(), directory.resolve()
    except OSError:
        return False
    return here == results or results in here.parents
