"""A recording as csv: a row per host and time, or (tidy) a row per value."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.columns import columns_of
from mpi_collector.store.host import Host
from mpi_collector.store.recording import Recording

#: first characters of a cell that a spreadsheet would compute, full-width forms included
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_ROWS_AT_ONCE = 64  #: as Python integers the values take four times the memory


def formula_safe(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet computes."""
    return "'" + text if text.startswith(_FORMULA) else text


def write_csv(recording: Recording, file: BinaryIO, hosts: Sequence[str], tidy: bool) -> None:
    """Write ``hosts``, one after the other. An empty cell is a missing value."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    columns = columns_of(recording, hosts)
    shown = ["column", "value"] if tidy else [formula_safe(c) for c in columns]
    writer.writerow(["host", "timestamp_ns", "tick", *shown])
    for key in hosts:
        host = recording[key]
        names = [formula_safe(c) for c in host.columns]
        index = {c: i for i, c in enumerate(host.columns)}
        order = [index.get(c, -1) for c in columns]
        times = zip(host.timestamp_ns.tolist(), host.tick.tolist())
        for (time_ns, tick), row in zip(times, _rows(host)):
            head = [formula_safe(key), time_ns, tick]
            if tidy:
                writer.writerows([*head, n, v] for n, v in zip(names, row) if v is not None)
            else:
                writer.writerow([*head, *(row[i] if i >= 0 else None for i in order)])
        host.release()
    text.detach()


def _rows(host: Host) -> Iterator[list[int | None]]:
    """Yield the rows, None where a value is missing. Counters are unsigned."""
    wraps = [1 << 64 if host.kind(name) == "counter" else 0 for name in host.columns]
    for start in range(0, len(host), _ROWS_AT_ONCE):
        for row in host.values[start : start + _ROWS_AT_ONCE].tolist():
            yield [
                None if v == MISSING else v + wrap if v < 0 else v for v, wrap in zip(row, wraps)
            ]
