"""``mpi_collector export``: a recording in another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mpi_collector.errors import RecordingError
from mpi_collector.formats.suite_samples import encode_recorded, time_series_head
from mpi_collector.output.about import about_recording
from mpi_collector.output.arrow import require_pyarrow, write_arrow
from mpi_collector.output.csv import write_csv
from mpi_collector.output.figures import arrow as figures_arrow
from mpi_collector.output.figures import csv as figures_csv
from mpi_collector.output.figures import json as figures_json
from mpi_collector.output.figures import openmetrics, perfetto
from mpi_collector.output.json import JsonWriter
from mpi_collector.output.new_file import create
from mpi_collector.store.recording import Recording

_ARROW = ("parquet", "feather")
#: format -> the ending of a file of figures
FIGURE_ENDINGS = {
    "csv": "figures.csv",
    "parquet": "figures.parquet",
    "feather": "figures.feather",
    "json": "figures.json",
    "openmetrics": "figures.openmetrics.txt",
    "perfetto": "figures.perfetto-trace",
}
#: format -> the ending of a file of recorded columns
COLUMN_ENDINGS = {
    "csv": "timeseries.csv",
    "parquet": "timeseries.parquet",
    "feather": "timeseries.feather",
    "json": "timeseries.json",
}


def export(
    recording: Recording, kind: str, target: Path, hosts: Sequence[str], tidy: bool = False
) -> None:
    """Write the columns of ``hosts`` to ``target``, one host at a time.

    kind: csv, parquet, feather or json (the suite's time series). FileExistsError rather than
    overwriting; MissingLibraryError without pyarrow.
    """
    if kind in _ARROW:
        require_pyarrow()  # before a file is made
    with create(target) as f:
        if kind == "csv":
            write_csv(recording, f, hosts, tidy)
        elif kind in _ARROW:
            write_arrow(recording, kind, f, hosts, tidy)
        else:
            _write_json(recording, f, hosts)


def export_figures(
    recording: Recording, kind: str, target: Path, hosts: Sequence[str], tidy: bool = False
) -> None:
    """Write the figures of ``hosts`` over time to ``target``.

    kind: one of FIGURE_ENDINGS; ``tidy``: of csv, parquet and feather. Errors as of ``export``.
    """
    if kind in _ARROW:
        require_pyarrow()
    figures = recording.figures(hosts)
    about = about_recording(recording, hosts)
    with create(target) as f:
        if kind == "csv":
            figures_csv.write(figures, f, tidy)
        elif kind in _ARROW:
            figures_arrow.write(figures, about, kind, f, tidy)
        elif kind == "json":
            figures_json.write(figures, about, f)
        elif kind == "openmetrics":
            openmetrics.write(figures, about, f)
        else:
            perfetto.write(figures, about, f)


def _write_json(recording: Recording, f: BinaryIO, hosts: Sequence[str]) -> None:
    if any("layout" not in recording[key].meta for key in hosts):
        raise RecordingError(f"{recording.path}: is the suite's JSON already")
    writer = JsonWriter(f)
    for key in hosts:
        host = recording[key]
        writer.add(key, encode_recorded(host))
        host.release()
    # hosts that are left out are not hosts that gave nothing
    head = time_series_head(recording.run, hosts if len(hosts) < len(recording) else None)
    writer.finish(head, head["hosts_requested"])
