"""A recording in other formats: csv and parquet for other programs, the suite's JSON where the run skipped it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mpi_collector.errors import MissingLibraryError, RecordingError
from mpi_collector.formats.suite_samples import RecordedRows, encode_samples, time_series_head
from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.files import create
from mpi_collector.output.json import JsonWriter
from mpi_collector.store.recording import Host, Recording

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  #: a spreadsheet would compute what begins with one of these


_ROWS = 64


def export(
    recording: Recording, kind: str, target: Path, hosts: Sequence[str], tidy: bool = False
) -> None:
    """Write ``hosts`` to ``target``, one at a time. FileExistsError rather than overwriting; MissingLibraryError."""
    writers: dict[str, Callable[..., None]] = {"csv": _csv, "parquet": _parquet, "json": _json}
    if kind == "parquet":
        _pyarrow()
    with create(target) as f:
        writers[kind](recording, f, hosts, tidy)


def plain(text: str) -> str:
    """``text`` as a cell that no spreadsheet computes."""
    return "'" + text if text.startswith(_FORMULA) else text


def _all_columns(recording: Recording, hosts: Sequence[str]) -> list[str]:
    """Columns of all hosts; devices differ."""
    return list(dict.fromkeys(c for h in hosts for c in recording[h].columns))


def _unsigned(host: Host) -> Iterator[list[int | None]]:
    for start in range(0, len(host), _ROWS):  # Python's integers take four times the room
        for row in host.values[start : start + _ROWS].tolist():
            yield [None if v == MISSING else v + (1 << 64) if v < 0 else v for v in row]


def _csv(recording: Recording, f: BinaryIO, hosts: Sequence[str], tidy: bool) -> None:
    out = io.TextIOWrapper(f, "utf-8", newline="", write_through=True)
    writer = csv.writer(out)
    wanted = _all_columns(recording, hosts)
    writer.writerow(
        ["host", "timestamp_ns", "tick", *(("column", "value") if tidy else map(plain, wanted))]
    )
    for key in hosts:
        host = recording[key]
        index = {c: i for i, c in enumerate(host.columns)}
        at = [index.get(c, -1) for c in wanted]
        for time_ns, tick, row in zip(
            host.timestamp_ns.tolist(), host.tick.tolist(), _unsigned(host)
        ):
            head = [plain(key), time_ns, tick]
            if tidy:
                writer.writerows(
                    [*head, plain(c), v] for c, v in zip(host.columns, row) if v is not None
                )
            else:
                writer.writerow([*head, *(row[i] if i >= 0 else None for i in at)])
        host.release()
    out.detach()


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as e:
        raise MissingLibraryError(
            "parquet needs pyarrow: pip install 'mpi-collector[parquet]'"
        ) from e
    return pyarrow


def _parquet(recording: Recording, f: BinaryIO, hosts: Sequence[str], tidy: bool) -> None:
    pa = _pyarrow()
    wanted = _all_columns(recording, hosts)
    base = [
        ("host", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ns", "UTC")),
        ("tick", pa.int64()),
    ]
    rest = [("column", pa.dictionary(pa.int32(), pa.string())), ("value", pa.uint64())] if tidy else [
        (c, pa.uint64() if _is_wide(recording, hosts, c) else pa.int64()) for c in wanted]  # fmt: skip
    schema = pa.schema(base + rest)
    with pa.parquet.ParquetWriter(f, schema, compression="zstd") as writer:
        for key in hosts:
            for table in _tables(pa, schema, recording[key], key, wanted, tidy):
                writer.write_table(table)
            recording[key].release()


def _is_wide(recording: Recording, hosts: Sequence[str], column: str) -> bool:
    """True when a value of it needs the 64th bit."""
    found = (recording[h].raw(column) for h in hosts if column in recording[h].columns)
    return any(bool(((raw < 0) & (raw != MISSING)).any()) for raw in found)


def _tables(
    pa: Any, schema: Any, host: Host, key: str, wanted: list[str], tidy: bool
) -> Iterator[Any]:
    n = len(host)
    head = [
        pa.array([key] * n).dictionary_encode(),
        pa.array(host.timestamp_ns, pa.timestamp("ns", "UTC")),
        pa.array(host.tick),
    ]
    index = {c: i for i, c in enumerate(host.columns)}
    if not tidy:
        cells = []
        for field in list(schema)[3:]:
            raw = (
                host.values[:, index[field.name]]
                if field.name in index
                else np.full(n, MISSING, dtype=np.int64)
            )
            unsigned = pa.types.is_uint64(field.type)
            cells.append(
                pa.array(raw.view(np.uint64) if unsigned else raw, field.type, mask=raw == MISSING)
            )
        yield pa.Table.from_arrays([*head, *cells], schema=schema)
        return
    for column, i in index.items():
        raw = host.values[:, i]
        keep = raw != MISSING
        arrays = [a.filter(pa.array(keep)) for a in head]
        arrays += [
            pa.array([column] * int(keep.sum())).dictionary_encode(),
            pa.array(raw[keep].view(np.uint64)),
        ]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _json(recording: Recording, f: BinaryIO, hosts: Sequence[str], tidy: bool) -> None:
    del tidy
    run = recording.run
    if any("layout" not in recording[key].meta for key in hosts):
        raise RecordingError(f"{recording.path}: is the suite's JSON already")
    writer = JsonWriter(f)
    for key in hosts:
        host = recording[key]
        writer.add(
            key,
            encode_samples(
                RecordedRows(host), str(host.meta.get("identity", {}).get("hostname", key))
            ),
        )
        host.release()
    # hosts that are left out are not hosts that gave nothing
    head = time_series_head(run, hosts if len(hosts) < len(recording) else None)
    writer.finish(head, head["hosts_requested"])
