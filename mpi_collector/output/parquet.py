"""A recording as parquet: a row per host and time, or (tidy) a row per value. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from mpi_collector.errors import MissingLibraryError
from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.columns import columns_of
from mpi_collector.store.host import Host
from mpi_collector.store.recording import Recording

_HEAD_FIELDS = 3  #: host, time, tick


def require_pyarrow() -> Any:
    """Return the module. MissingLibraryError when it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as e:
        raise MissingLibraryError(
            "parquet needs pyarrow: pip install 'mpi-collector[parquet]'"
        ) from e
    return pyarrow


def write_parquet(recording: Recording, file: BinaryIO, hosts: Sequence[str], tidy: bool) -> None:
    """Write ``hosts``, one after the other. A null is a missing value."""
    pa = require_pyarrow()
    schema = _tidy_schema(pa) if tidy else _wide_schema(pa, recording, hosts)
    with pa.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for key in hosts:
            host = recording[key]
            for table in _tidy_tables(pa, schema, host) if tidy else [_table(pa, schema, host)]:
                writer.write_table(table)
            host.release()


def _head_fields(pa: Any) -> list[tuple[str, Any]]:
    return [
        ("host", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ns", "UTC")),
        ("tick", pa.int64()),
    ]


def _tidy_schema(pa: Any) -> Any:
    column = ("column", pa.dictionary(pa.int32(), pa.string()))
    return pa.schema([*_head_fields(pa), column, ("value", pa.uint64())])


def _wide_schema(pa: Any, recording: Recording, hosts: Sequence[str]) -> Any:
    columns = [
        (c, pa.uint64() if _needs_64_bits(recording, hosts, c) else pa.int64())
        for c in columns_of(recording, hosts)
    ]
    return pa.schema([*_head_fields(pa), *columns])


def _needs_64_bits(recording: Recording, hosts: Sequence[str], column: str) -> bool:
    """True when a value of the column is 2^63 or more."""
    found = (recording[h].raw(column) for h in hosts if column in recording[h].columns)
    return any(bool(((raw < 0) & (raw != MISSING)).any()) for raw in found)


def _head_arrays(pa: Any, host: Host) -> list[Any]:
    return [
        pa.array([host.key] * len(host)).dictionary_encode(),
        pa.array(host.timestamp_ns, pa.timestamp("ns", "UTC")),
        pa.array(host.tick),
    ]


def _table(pa: Any, schema: Any, host: Host) -> Any:
    """The host as one table; a column that it does not have is all null."""
    index = {c: i for i, c in enumerate(host.columns)}
    nothing = np.full(len(host), MISSING, dtype=np.int64)
    cells = []
    for field in list(schema)[_HEAD_FIELDS:]:
        raw = host.values[:, index[field.name]] if field.name in index else nothing
        shown = raw.view(np.uint64) if pa.types.is_uint64(field.type) else raw
        cells.append(pa.array(shown, field.type, mask=raw == MISSING))
    return pa.Table.from_arrays([*_head_arrays(pa, host), *cells], schema=schema)


def _tidy_tables(pa: Any, schema: Any, host: Host) -> Iterator[Any]:
    """Yield the host as one table a column."""
    head = _head_arrays(pa, host)
    for i, column in enumerate(host.columns):
        raw = host.values[:, i]
        keep = raw != MISSING
        names = pa.array([column] * int(keep.sum())).dictionary_encode()
        arrays = [a.filter(pa.array(keep)) for a in head]
        arrays += [names, pa.array(raw[keep].view(np.uint64))]
        yield pa.Table.from_arrays(arrays, schema=schema)
