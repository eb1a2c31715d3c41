"""Small spools with known contents."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from mpi_collector.node.row.layout import DeviceTable, Field, Layout
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.format import PAYLOAD_AT, write_record
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.spool.writer import Spool

CAPS = [100, 64]
ROWS = 20
STAGE_SLOTS = 4
STAGED = (100, 102)  #: ticks of the staged samples that ``fill`` writes, in slots 0 and 2
EVENTS: list[dict[str, Any]] = [
    {"type": "grid", "t0_ns": 5},
    {"type": "device", "device": "é\udcff", "slot": 1},
    {"type": "end"},
]


def make_meta(width: int = 3) -> dict[str, Any]:
    """Return the meta data of a spool with so many values in a row."""
    fields = [Field("f%d" % i, "", "gauge", "") for i in range(width)]
    layout = Layout(["a", "b"], [DeviceTable("a", "", fields, [""], 1)])
    return {"run": "r", "host": "h", "layout": layout.to_dict(), "raw_bytes": CAPS}


def make_spool(base: Path, rows: int = ROWS, **kw: Any) -> Spool:
    """Return a spool of host "host" in the directory of the run "run" in ``base``."""
    directory = RunDirectory(str(base), "run").open()
    try:
        return Spool.create(directory, "host", make_meta(), CAPS, STAGE_SLOTS, rows, **kw)
    finally:
        os.close(directory)


def memory_spool(width: int = 3, rows: int = ROWS) -> Spool:
    """Return a spool in plain memory."""
    return Spool.create(None, "host", make_meta(width), CAPS, STAGE_SLOTS, rows)


def payload(spool: Spool, tick: int) -> bytes:
    """Return the payload of a row that differs from that of every other tick."""
    words = spool.shape.row_words
    return struct.pack("<%dq" % words, *[(tick + 2) * 1000 + i for i in range(words)])


def fill(spool: Spool) -> None:
    """Write EVENTS, all rows but the last (ticks from -1 on), and two staged samples."""
    for event in EVENTS:
        assert spool.event(event)
    for slot in range(spool.shape.rows - 1):
        spool.write_row(slot, slot - 1, payload(spool, slot - 1))
    for slot, tick in zip((0, 2), STAGED):
        size = spool.shape.stage_head
        head = bytes(range(8, 8 + size - PAYLOAD_AT))
        write_record(spool.mm, spool.shape.stage_offset(slot), size, tick, head)


def found(reader: SpoolReader) -> dict[int, bytes]:
    """Return {tick: payload} of all rows; fail when a tick is there twice."""
    rows = [(tick, bytes(reader.shape.row_payload(reader.data, at))) for tick, at in reader.rows()]
    assert len(dict(rows)) == len(rows)
    return dict(rows)
