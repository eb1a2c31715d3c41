"""The page of a run, which is written at its end where the ``report`` extra is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mpi_collector.benchmark.console import RunConsole
from mpi_collector.output.new_file import create

_VALUES_MAX = 300_000_000  #: values of a recording: reading more keeps the user waiting


def write_page(recording: Path, page_path: Path, console: RunConsole) -> None:
    """Write the page of ``recording``. Without Jinja2: nothing. A failure is a message."""
    if find_spec("jinja2") is None:
        return
    try:
        from mpi_collector.report.page import page
        from mpi_collector.store.load import load

        with load(recording) as run:
            values = sum(f["samples"] * f["columns"] for f in run.run["facts"].values())
            if values > _VALUES_MAX:
                console.info(
                    "the page was left out, since it takes a while; "
                    f"write it with: mpi_collector report {recording}"
                )
                return
            text = page(run)
        with create(page_path) as f:
            f.write(text.encode("utf-8", "backslashreplace"))
    except Exception as e:  # noqa: BLE001 - the recording is safe, and the exit code is the job's
        console.warn(
            f"the page was not written: {type(e).__name__}: {e}; "
            f"try again with: mpi_collector report {recording}"
        )
