"""``mpi_collector export``: a recording in another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mpi_collector.errors import RecordingError
from mpi_collector.formats.suite_samples import encode_recorded, time_series_head
from mpi_collector.output.csv import write_csv
from mpi_collector.output.files import create
from mpi_collector.output.json import JsonWriter
from mpi_collector.output.parquet import require_pyarrow, write_parquet
from mpi_collector.store.recording import Recording


def export(
    recording: Recording, kind: str, target: Path, hosts: Sequence[str], tidy: bool = False
) -> None:
    """Write ``hosts`` to ``target``, one host at a time.

    kind: csv, parquet or json (the suite's time series). FileExistsError rather than overwriting;
    MissingLibraryError without pyarrow.
    """
    if kind == "parquet":
        require_pyarrow()  # before a file is made
    with create(target) as f:
        if kind == "csv":
            write_csv(recording, f, hosts, tidy)
        elif kind == "parquet":
            write_parquet(recording, f, hosts, tidy)
        else:
            _write_json(recording, f, hosts)


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
