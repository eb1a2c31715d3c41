"""What is printed when a run has ended: its verdict, its files, its figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message

if TYPE_CHECKING:
    from mpi_collector.benchmark.collection import Collection


def print_run_summary(collection: Collection) -> None:
    """Print verdict, warnings, files and figures of a run; nothing when no files were written."""
    if collection.result is None:
        return
    from mpi_collector.formats.verdict import line

    console = collection.console
    for reason in collection.result["verdict"]["reasons"]:
        console.warn(f"warning: {reason}")
    if console.quiet:
        return
    console.info(line(collection.result["verdict"]))
    for path in collection.written():
        console.info(f"wrote {path}")
    if not collection.plan.skip_timeseries:
        _print_figures(collection.files.path("timeseries.npz"))


def _print_figures(path: Path) -> None:
    """Print the figures of a recording, unless it has so many hosts that reading it takes long."""
    from mpi_collector.report.summary import END_HOSTS, document
    from mpi_collector.report.text import TextWriter, render
    from mpi_collector.store.load import load

    try:
        with load(path) as recording:
            if len(recording) <= END_HOSTS:
                render(document(recording), TextWriter(sys.stderr))
    except Exception as e:  # noqa: BLE001 - the files are safe and the exit code is the job's
        print_message(f"no figures: {type(e).__name__}: {e}")
