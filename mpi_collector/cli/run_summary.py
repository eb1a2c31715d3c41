"""What is printed when a run has ended: its verdict, its files, its figures."""

from __future__ import annotations

import shutil
import sys

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import error_reason, print_message
from mpi_collector.benchmark.keeper.values import Screen


def end_run(collection: Collection) -> None:
    """Print what there is to say of a run that has ended, and let its keeper go. Raises nothing.

    COMMAND has ended: its exit code counts, whatever happens here.
    """
    for step in (print_run_summary, Collection.close):
        try:
            step(collection)
        except Exception as e:  # noqa: BLE001 - the files are safe
            print_message(f"warning: {type(e).__name__}: {e}")


def print_run_summary(collection: Collection) -> None:
    """Print verdict, warnings, files and figures of a run; nothing when no files were written."""
    if collection.result is None:
        return
    from mpi_collector.formats.verdict_line import line

    console = collection.console
    for reason in collection.result["verdict"]["reasons"]:
        console.warn(f"warning: {reason}")
    if console.quiet:
        return
    console.info(line(collection.result["verdict"]))
    for path in collection.written:
        console.info(f"wrote {path}")
    if not collection.plan.skip_timeseries:
        _print_figures(collection)


def _print_figures(collection: Collection) -> None:
    """Print the figures of a recording, unless it has so many hosts that reading it takes long."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    terminal = sys.stderr.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    try:
        text = collection.keeper.figures(Screen(terminal, width, encoding))
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, RuntimeError, ValueError) as e:
        print_message(f"no figures: {error_reason(e)}")
