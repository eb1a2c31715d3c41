"""A recording as parquet or feather: a row per host and time, or (tidy) a row per value.

Needs pyarrow. The schema's metadata has the key ``mpi_collector``, a JSON object that describes the
run (``about.about_recording``); the metadata of each field has its unit and kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from mpi_collector.errors import MissingLibraryError
from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.about import about_recording
from mpi_collector.store.host import Host, Int64
from mpi_collector.store.phases import PhaseLabels
from mpi_collector.store.recording import Recording

_METADATA_KEY = b"mpi_collector"
_HEAD_FIELDS = 4  #: host, time, tick, phase


def require_pyarrow() -> Any:
    """Return the module. MissingLibraryError when it is not installed."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as e:
        raise MissingLibraryError(
            "parquet and feather need pyarrow: pip install 'mpi-collector[parquet]'"
        ) from e
    return pyarrow


def write_tables(kind: str, file: BinaryIO, schema: Any, tables: Iterable[Any]) -> None:
    """Write tables of one schema, one after the other. ``kind``: parquet or feather."""
    pa = require_pyarrow()
    if kind == "parquet":
        writer = pa.parquet.ParquetWriter(file, schema, compression="zstd")
    else:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        writer = pa.ipc.new_file(file, schema, options=options)
    with writer:
        for table in tables:
            writer.write_table(table)


def schema_of(fields: Sequence[Any], about: Mapping[str, Any]) -> Any:
    """Return the schema of these fields with what is known of the run."""
    text = json.dumps(about, ensure_ascii=True)
    return require_pyarrow().schema(fields, metadata={_METADATA_KEY: text.encode()})


def word_type() -> Any:
    """Return the type of a column of few different texts."""
    pa = require_pyarrow()
    return pa.dictionary(pa.int32(), pa.string())


def words(choices: Sequence[str], chosen: Iterable[int]) -> Any:
    """Return a column of texts. ``choices``: those of all tables of a file, in the same order."""
    pa = require_pyarrow()
    return pa.DictionaryArray.from_arrays(pa.array(chosen, pa.int32()), pa.array(choices))


def time_type() -> Any:
    return require_pyarrow().timestamp("ns", "UTC")


def write_arrow(
    recording: Recording, kind: str, file: BinaryIO, hosts: Sequence[str], tidy: bool
) -> None:
    """Write ``hosts``, one after the other. A null is a missing value."""
    columns = _Columns(recording, hosts)
    about = about_recording(recording, hosts)
    if tidy:
        about["columns"] = columns.about
    rows = _Rows(recording, hosts, columns)
    schema = schema_of([*_head_fields(), *(columns.tidy if tidy else columns.wide)], about)
    tables = (t for key in hosts for t in (rows.tidy if tidy else rows.wide)(schema, key))
    write_tables(kind, file, schema, tables)


def _head_fields() -> list[Any]:
    pa = require_pyarrow()
    return [
        pa.field("host", word_type()),
        pa.field("time", time_type()),
        pa.field("tick", pa.int64()),
        pa.field("phase", pa.string()),
    ]


class _Columns:
    """The columns of all hosts. ``about``: {column: unit and kind}, in the order of appearance."""

    def __init__(self, recording: Recording, hosts: Sequence[str]) -> None:
        self.about: dict[str, dict[str, str]] = {}
        self._above: set[str] = set()  #: counters with a value of 2^63 or more
        self._below: set[str] = set()  #: gauges with a value below 0
        for key in hosts:
            host = recording.fresh(key)
            negative = ((host.values < 0) & (host.values != MISSING)).any(axis=0)
            for name, is_negative in zip(host.columns, negative.tolist()):
                kind = host.kind(name)
                self.about.setdefault(name, {"unit": host.unit(name), "kind": kind})
                if is_negative:
                    (self._above if kind == "counter" else self._below).add(name)

    def _type(self, above: bool, below: bool) -> Any:
        """Return the type that holds all of the values exactly."""
        pa = require_pyarrow()
        if above:
            return pa.decimal128(20, 0) if below else pa.uint64()
        return pa.int64()

    @property
    def wide(self) -> list[Any]:
        return [
            require_pyarrow().field(
                name, self._type(name in self._above, name in self._below), metadata=about
            )
            for name, about in self.about.items()
        ]

    @property
    def tidy(self) -> list[Any]:
        field = require_pyarrow().field
        value = self._type(bool(self._above), bool(self._below))
        return [field("column", word_type()), field("value", value)]


class _Rows:
    """The rows of a host as tables."""

    def __init__(self, recording: Recording, hosts: Sequence[str], columns: _Columns) -> None:
        self._recording = recording
        self._hosts = list(hosts)
        self._columns = columns
        self._labels = PhaseLabels(recording.marks)

    def _head(self, host: Host) -> list[Any]:
        pa = require_pyarrow()
        at = self._hosts.index(host.key)
        return [
            words(self._hosts, np.full(len(host), at, dtype=np.int32)),
            pa.array(host.timestamp_ns, time_type()),
            pa.array(host.tick),
            pa.array([p or None for p in self._labels.at(host.timestamp_ns)], pa.string()),
        ]

    def wide(self, schema: Any, key: str) -> Iterator[Any]:
        """Yield the host as one table; a column that it does not have is all null."""
        host = self._recording.fresh(key)
        index = {c: i for i, c in enumerate(host.columns)}
        nothing = np.full(len(host), MISSING, dtype=np.int64)
        cells = []
        for field in list(schema)[_HEAD_FIELDS:]:
            at = index.get(field.name)
            raw = nothing if at is None else host.values[:, at]
            counter = at is not None and host.kind(field.name) == "counter"
            cells.append(_integers(raw, field.type, counter))
        yield require_pyarrow().Table.from_arrays([*self._head(host), *cells], schema=schema)

    def tidy(self, schema: Any, key: str) -> Iterator[Any]:
        """Yield the host as one table a column, without missing values."""
        pa = require_pyarrow()
        host = self._recording.fresh(key)
        head = self._head(host)
        names = list(self._columns.about)
        place = {name: i for i, name in enumerate(names)}
        for i, column in enumerate(host.columns):
            raw = host.values[:, i]
            keep = raw != MISSING
            name = words(names, np.full(int(keep.sum()), place[column], dtype=np.int32))
            value = _integers(raw[keep], schema.field("value").type, host.kind(column) == "counter")
            cells = [*(a.filter(pa.array(keep)) for a in head), name, value]
            yield pa.Table.from_arrays(cells, schema=schema)


def _integers(raw: Int64, kind: Any, counter: bool) -> Any:
    """Return stored values as an array of the type ``kind``, null where missing."""
    pa = require_pyarrow()
    shown = raw.view(np.uint64) if counter else raw
    if not counter and pa.types.is_uint64(kind):
        shown = raw.astype(np.uint64)  # of a gauge that is never below 0
    found = pa.array(shown, mask=raw == MISSING)
    return found if found.type == kind else found.cast(kind)
