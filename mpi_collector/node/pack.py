"""A node's table as finished members of an ``.npz`` file, compressed where the data is.

Whoever gathers them only has to append them: a member is an ``.npy`` file that numpy reads, deflated, with its checksum.
Big arrays are in Fortran order, since a column of counters compresses far better than a row of everything.
"""

import json
import struct
import sys
import zlib
from array import array

from .clock import Timeline
from .decode import SKIPPED, STATUS_NAMES, RowDecoder
from .layout import MISSING, STOP_TICK, Layout
from .rows import level_of
from .sampler import staged_row
from .sources import BY_NAME
from .spool import ROW_FIELDS, ROW_SOURCE_FIELDS, SpoolReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

LEVEL = 1  #: of zlib: the next one costs twice the time for a tenth of the size


class Member:
    """A deflated stream: ``kind`` says what for ("npz" or another), ``crc`` and ``size`` are those of the plain bytes."""

    __slots__ = ("chunks", "crc", "kind", "name", "packed", "size")

    def __init__(self, kind: str, name: str, parts: "Iterable[bytes]") -> None:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
        self.kind, self.name, self.crc, self.size = kind, name, 0, 0
        self.chunks: list = []
        for part in parts:
            self.crc = zlib.crc32(part, self.crc)
            self.size += len(part)
            self.chunks.append(deflate.compress(part))
        self.chunks.append(deflate.flush())
        self.packed = sum(map(len, self.chunks))

    def head(self) -> dict:
        return {
            "kind": self.kind,
            "name": self.name,
            "crc": self.crc,
            "size": self.size,
            "packed": self.packed,
        }


class Table:
    """All rows of a spool by tick, those too that were read but not decoded when their process died.

    ``heads``: the header words of every row in order; ``values``: array of len(rows) x width int64; ``events``.
    The stop row is the last.
    """

    def __init__(self, reader: "SpoolReader") -> None:
        self.reader, self.shape, self.layout = reader, reader.shape, reader.layout
        self.meta = dict(reader.meta)  #: what is known of the host; the root gets it with the table
        self.events = reader.events()
        name_slots(self.layout, self.events)
        # where they are, and only then what they are: every copy of the array is as large as the array
        rows: dict = {
            tick: reader.data[at + 16 : at + self.shape.row_size] for tick, at in reader.rows()
        }
        decoder: "Any" = None
        for tick, at in reader.staged():
            if tick not in rows:
                if decoder is None:
                    decoder = RowDecoder(
                        [BY_NAME[s]() for s in self.layout.sources], self.layout, self.events.append
                    )
                rows[tick] = staged_row(reader.data, at, self.shape, decoder, tick)
        self.grid = next((e for e in self.events if e["type"] == "grid"), None)
        last = max(rows, default=STOP_TICK)
        if self.grid and self.grid["policy"] == "decimate" and last >= 0:
            mask = (1 << level_of(last, self.grid["capacity"])) - 1
            rows = {t: r for t, r in rows.items() if t == STOP_TICK or not t & mask}
        stop = rows.pop(STOP_TICK, None)
        self.ticks = sorted(rows) + ([STOP_TICK] if stop is not None else [])
        ordered = [rows[t] for t in self.ticks if t != STOP_TICK] + (
            [stop] if stop is not None else []
        )
        cut = self.shape.row_head - 16
        self.head_words = _int64(r[:cut] for r in ordered)
        self.values = _int64(r[cut:] for r in ordered)

    def __len__(self) -> int:
        return len(self.ticks)

    def head(self, field: str) -> "array":
        """One header word of every row, named as in ROW_FIELDS."""
        return self.head_words[ROW_FIELDS.index(field) - 2 :: self.shape.row_head // 8 - 2]

    def source_head(self, source: int, field: str) -> "array":
        """One per-source header word of every row, named as in ROW_SOURCE_FIELDS."""
        at = len(ROW_FIELDS) - 2 + source * len(ROW_SOURCE_FIELDS) + ROW_SOURCE_FIELDS.index(field)
        return self.head_words[at :: self.shape.row_head // 8 - 2]

    def column(self, index: int) -> "array":
        return self.values[index :: self.layout.width]

    def row(self, n: int) -> "array":
        return self.values[n * self.layout.width : (n + 1) * self.layout.width]

    def utc_ns(self) -> list:
        """When each row began, on the common time line."""
        return list(map(Timeline.from_events(self.events).utc_ns, self.head("begin_mono_ns")))

    def statuses(self) -> list:
        """Per source: the status in every row."""
        return [self.source_head(i, "status") for i in range(len(self.layout.sources))]


def name_slots(layout: "Layout", events: list) -> None:
    """Give the devices that appeared during the run their names, in the order of their slots."""
    for e in events:
        if e["type"] == "device":
            table = layout.by_key.get((e["source"], e["table"]))
            if table is not None and e["slot"] == len(table.devices):
                table.add_device(e["device"])


def layout_with_devices(meta: dict) -> "Layout":
    """The layout of a packed host from its ``meta`` member."""
    layout = Layout.from_dict(meta["layout"])
    name_slots(layout, meta["events"])
    return layout


def _int64(parts: "Iterable") -> "array":
    out = array("q")
    for data in parts:
        out.frombytes(data)
    if sys.byteorder == "big":
        out.byteswap()
    return out


def _bytes(values: "array") -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def npy_header(dtype: str, shape: tuple, fortran: bool = False) -> bytes:
    """The head of an ``.npy`` file, version 1.0 (numpy.lib.format)."""
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': %r, }" % (dtype, fortran, tuple(shape))
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1")


def int_member(name: str, columns: "Iterable[array]", rows: int, flat: bool = False) -> "Member":
    """``flat``: one column as a vector, else a matrix of rows x columns in Fortran order."""
    columns = list(columns)
    shape = (rows,) if flat else (rows, len(columns))

    def parts() -> "Iterator[bytes]":
        yield npy_header("<i8", shape, not flat)
        for c in columns:
            yield _bytes(c)

    return Member("npz", name, parts())


def text_member(name: str, texts: list) -> "Member":
    """A vector of strings."""
    width = max([len(t) for t in texts] + [1])
    body = b"".join(t.encode("utf-32-le", "replace").ljust(4 * width, b"\0") for t in texts)
    return Member("npz", name, [npy_header("<U%d" % width, (len(texts),)), body])


def json_member(name: str, doc: object) -> "Member":
    """A JSON document as a single string: ``json.loads(str(npz[name]))``."""
    text = json.dumps(doc)
    return Member(
        "npz", name, [npy_header("<U%d" % max(len(text), 1), ()), text.encode("utf-32-le")]
    )


def marks_of(events: list) -> list:
    """The marks among ``events`` on the common time line: {"text", "edge", "utc_ns"}."""
    marks = [e for e in events if e["type"] == "mark"]
    utc_ns: "Any" = Timeline.from_events(events).utc_ns if marks else None
    return [{"text": m["text"], "edge": m["edge"], "utc_ns": utc_ns(m["mono_ns"])} for m in marks]


def facts_of(table: "Table") -> dict:
    """What the run's summary needs to know of this node without its table."""
    grid = table.grid or {}
    ticks = [t for t in table.ticks if t != STOP_TICK]
    end = next((e for e in table.events if e["type"] == "end"), None)
    last = end["last_tick"] if end else (ticks[-1] if ticks else STOP_TICK)
    level = level_of(max(last, 0), grid["capacity"]) if grid.get("policy") == "decimate" else 0
    span = range(ticks[0], last + 1) if ticks and grid.get("policy") == "ring" else range(last + 1)
    due = (
        len([t for t in span if not t % (1 << level)])
        if len(span) < 1 << 16
        else (len(span) + (1 << level) - 1) >> level
    )
    if grid.get("policy") == "stop":
        due = min(due, len(ticks))
    late = sorted(x for x, t in zip(table.head("late_ns"), table.ticks) if t != STOP_TICK)
    begins = table.head("begin_mono_ns")
    cpu = [v for v in table.column(table.layout.width - 2) if v != MISSING]
    cost = (cpu[-1] - cpu[0]) / max(begins[-1] - begins[0], 1) if len(cpu) > 1 else None
    statuses: dict = {}
    for i, source in enumerate(table.layout.sources):
        bad = [s for s in table.source_head(i, "status") if s and s != SKIPPED]
        if bad:
            statuses[source] = {STATUS_NAMES[s]: bad.count(s) for s in set(bad)}
    return {
        "samples": len(table),
        "ticks": len(ticks),
        "last_tick": last,
        "missed": max(due - len(ticks), 0),
        "level": level,
        "complete": end is not None,
        "late_p50_ns": late[len(late) // 2] if late else None,
        "late_p99_ns": late[min(len(late) - 1, len(late) * 99 // 100)] if late else None,
        "late_max_ns": late[-1] if late else None,
        "cpu_share": cost,
        "statuses": statuses,
        "lost": [e for e in table.events if e["type"] == "lost"],
        "marks": marks_of(table.events),
        "columns": table.layout.width,
    }


def pack(table: "Table", key: str) -> "Iterator[Member]":
    """The members of host ``key``, one after the other so that only one is in memory uncompressed."""
    n = len(table)
    timeline = Timeline.from_events(table.events)
    times = array("q", table.utc_ns())
    columns = table.layout.columns()
    used = [i for i, c in enumerate(columns) if c.device is not None]
    meta = dict(table.meta, events=table.events, facts=facts_of(table))
    yield json_member(key + "/meta", meta)
    yield text_member(key + "/columns", [columns[i].name for i in used])
    yield text_member(key + "/units", [columns[i].unit for i in used])
    yield text_member(key + "/kinds", [columns[i].kind for i in used])
    yield text_member(key + "/sources", table.layout.sources)
    begins = table.head("begin_mono_ns")
    yield int_member(key + "/tick", [array("q", table.ticks)], n, flat=True)
    yield int_member(key + "/timestamp_ns", [times], n, flat=True)
    yield int_member(
        key + "/clock_bound_ns", [array("q", map(timeline.bound_ns, begins))], n, flat=True
    )
    for field in ROW_FIELDS[2:]:
        yield int_member("%s/%s" % (key, field), [table.head(field)], n, flat=True)
    for field in ROW_SOURCE_FIELDS:
        cells = [table.source_head(i, field) for i in range(len(table.layout.sources))]
        yield int_member("%s/source_%s" % (key, field), cells, n)
    yield int_member(key + "/values", [table.column(i) for i in used], n)
