"""Figures as csv: a row per host and interval, or (tidy) a row per value; readable times."""

from __future__ import annotations

import csv
import io
import math
from typing import BinaryIO

import numpy as np

from mpi_collector.output.csv import formula_safe
from mpi_collector.store.figure_table import FigureTable
from mpi_collector.store.host import Int64


def write(figures: FigureTable, file: BinaryIO, tidy: bool) -> None:
    """Write the table. An empty cell is an unknown value; times are UTC (ISO 8601)."""
    text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
    writer = csv.writer(text)
    names = [figure.name for figure in figures.figures]
    shown = ["figure", "unit", "value"] if tidy else names
    writer.writerow(["host", "begin", "end", "end_ns", "phase", *shown])
    for rows in figures:
        values = [rows.values[n].tolist() if n in rows.values else None for n in names]
        begins, ends = utc_texts(rows.begin_ns), utc_texts(rows.end_ns)
        for i, end_ns in enumerate(rows.end_ns.tolist()):
            phase = formula_safe(rows.phases[i])
            head = [formula_safe(rows.host), begins[i], ends[i], end_ns, phase]
            cells = [None if of is None or math.isnan(of[i]) else of[i] for of in values]
            if tidy:
                found = zip(names, cells)
                writer.writerows([*head, n, figures.units[n], v] for n, v in found if v is not None)
            else:
                writer.writerow([*head, *cells])
    text.flush()
    text.detach()


def utc_texts(times_ns: Int64) -> list[str]:
    """Return ``2026-01-05T12:00:00.123456Z`` for each time, UTC ns."""
    found = np.datetime_as_string(times_ns.astype("datetime64[ns]"), unit="us", timezone="UTC")
    return [str(text) for text in found]
