"""Figures as parquet or feather: a row per host and interval, or (tidy) a row per value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from mpi_collector.output.arrow import (
    require_pyarrow,
    schema_of,
    time_type,
    word_type,
    words,
    write_tables,
)
from mpi_collector.store.figure_table import FigureRows, FigureTable
from mpi_collector.store.figures.figure import Figure


def write(
    figures: FigureTable, about: Mapping[str, Any], kind: str, file: BinaryIO, tidy: bool
) -> None:
    """Write the table. A null is an unknown value. ``kind``: parquet or feather."""
    pa = require_pyarrow()
    head = [
        pa.field("host", word_type()),
        pa.field("begin", time_type()),
        pa.field("time", time_type(), metadata={"doc": "end of the interval"}),
        pa.field("phase", pa.string()),
    ]
    if tidy:
        described = {f.name: _described(f) for f in figures.figures}
        fields = [pa.field("figure", word_type()), pa.field("value", pa.float64())]
        schema = schema_of([*head, *fields], {**about, "figures": described})
    else:
        fields = [pa.field(f.name, pa.float64(), metadata=_described(f)) for f in figures.figures]
        schema = schema_of([*head, *fields], about)
    names = [figure.name for figure in figures.figures]
    make = _tidy if tidy else _wide
    tables = (
        table for rows in figures for table in make(schema, rows, names, _head(rows, figures.hosts))
    )
    write_tables(kind, file, schema, tables)


def _described(figure: Figure) -> dict[str, str]:
    """Return what the metadata says of a figure. A rate or a level is a gauge to other programs."""
    return {"unit": figure.unit, "kind": "gauge", "label": figure.label, "doc": figure.doc}


def _head(rows: FigureRows, hosts: list[str]) -> list[Any]:
    pa = require_pyarrow()
    return [
        words(hosts, np.full(len(rows.end_ns), hosts.index(rows.host), dtype=np.int32)),
        pa.array(rows.begin_ns, time_type()),
        pa.array(rows.end_ns, time_type()),
        pa.array([p or None for p in rows.phases], pa.string()),
    ]


def _wide(schema: Any, rows: FigureRows, names: list[str], head: list[Any]) -> Iterator[Any]:
    pa = require_pyarrow()
    unknown = np.full(len(rows.end_ns), np.nan)
    found = [rows.values.get(name, unknown) for name in names]
    cells = [pa.array(v, pa.float64(), mask=np.isnan(v)) for v in found]
    yield pa.Table.from_arrays([*head, *cells], schema=schema)


def _tidy(schema: Any, rows: FigureRows, names: list[str], head: list[Any]) -> Iterator[Any]:
    pa = require_pyarrow()
    for at, name in enumerate(names):
        values = rows.values.get(name)
        if values is not None:
            known = ~np.isnan(values)
            kept = [a.filter(pa.array(known)) for a in head]
            chosen = words(names, np.full(int(known.sum()), at, dtype=np.int32))
            yield pa.Table.from_arrays([*kept, chosen, pa.array(values[known])], schema=schema)
