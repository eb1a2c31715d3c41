"""Figures as one JSON document: the run, the figures, then the values of each host."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from mpi_collector.store.figure_table import FigureRows, FigureTable


def write(figures: FigureTable, about: Mapping[str, Any], file: BinaryIO) -> None:
    """Write the document, one host in memory at a time. null is an unknown value."""
    described = {
        f.name: {"unit": f.unit, "label": f.label, "across": f.across, "doc": f.doc}
        for f in figures.figures
    }
    head = {**about, "figures": described}
    file.write(json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}").encode())
    file.write(b',\n "values": {')
    for n, rows in enumerate(figures):
        text = f"{json.dumps(rows.host)}: {json.dumps(_host(rows), allow_nan=False)}"
        file.write((",\n  " if n else "\n  ").encode() + text.encode())
    file.write(b"\n }\n}\n")


def _host(rows: FigureRows) -> dict[str, Any]:
    return {
        "begin_ns": rows.begin_ns.tolist(),
        "end_ns": rows.end_ns.tolist(),
        "phase": [p or None for p in rows.phases],
        "figures": {
            name: [v if math.isfinite(v) else None for v in values.tolist()]
            for name, values in rows.values.items()
        },
    }
