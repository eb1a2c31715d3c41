"""All rows of a spool in tick order."""

import sys
from array import array

from ..clock import Timeline
from ..row.decode import RowDecoder
from ..row.layout import STOP_TICK, DeviceTable, Layout
from ..row.placement import level_of
from ..sources import BY_NAME
from ..spool.format import ROW_FIELDS, ROW_SOURCE_FIELDS, row_source_word, row_word
from ..spool.stage import staged_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator, Mapping

    from ..spool.format import Buffer
    from ..spool.reader import SpoolReader

    Event = dict[str, Any]
    Rows = dict[int, Buffer]


#: header words of a row, and of a source in it, in the order of ``heads`` and ``source_heads``
HEADS = ROW_FIELDS
SOURCE_HEADS = ROW_SOURCE_FIELDS


class SampleTable:
    """All rows of a spool in tick order. Samples that were staged but not decoded are decoded here.

    ``ticks``: the tick of each row, STOP_TICK for the stop row, which is the last. ``meta``: that
    of the spool (layout, snapshot, options, ...), which becomes part of the member ``HOST/meta``.
    ``events``: the spool's event log. ``grid``: the event that describes the tick grid, None if
    sampling never started. ``head_words``, ``values``: header words and values of all rows in one
    flat array each, row after row.

    Arrays that methods return are (rows,) unless they say otherwise.
    """

    def __init__(self, reader: "SpoolReader") -> None:
        self.reader = reader  # its map keeps the spool locked
        self.layout = reader.layout
        self.meta: "dict[str, Any]" = dict(reader.meta)
        self.events = reader.events()
        self.grid: "Event | None" = next((e for e in self.events if e["type"] == "grid"), None)
        name_slots(self.layout, self.events)
        rows = self._kept(self._rows_of(reader))
        stop = [STOP_TICK] if STOP_TICK in rows else []
        self.ticks: "list[int]" = sorted(t for t in rows if t != STOP_TICK) + stop
        # copied only now: every copy of the rows is as large as the spool
        ordered = [rows[t] for t in self.ticks]
        self._head_width: int = reader.shape.row_head_words
        head_bytes = reader.shape.row_head_words * array("q").itemsize
        self.head_words = _int64(row[:head_bytes] for row in ordered)
        self.values = _int64(row[head_bytes:] for row in ordered)

    def _rows_of(self, reader: "SpoolReader") -> "Rows":
        """Return {tick: payload} of all rows; staged samples are decoded for it."""
        rows: "Rows" = {
            tick: reader.shape.row_payload(reader.data, at) for tick, at in reader.rows()
        }
        decoder: "RowDecoder | None" = None
        for tick, at in reader.staged():
            if tick not in rows:
                if decoder is None:
                    sources = [BY_NAME[name]() for name in self.layout.sources]
                    decoder = RowDecoder(sources, self.layout, self.events.append)
                rows[tick] = staged_row(memoryview(reader.data), at, reader.shape, decoder, tick)
        return rows

    def _kept(self, rows: "Rows") -> "Rows":
        """Return ``rows`` without those that decimation had dropped by the last tick."""
        last = max(rows, default=STOP_TICK)
        if not self.grid or self.grid["policy"] != "decimate" or last < 0:
            return rows
        mask = (1 << level_of(last, self.grid["capacity"])) - 1
        return {t: row for t, row in rows.items() if t == STOP_TICK or not t & mask}

    def __len__(self) -> int:
        return len(self.ticks)

    def head(self, field: str) -> "array[int]":
        """Return one header word of every row; ``field``: its name in format.ROW_FIELDS."""
        return self.head_words[row_word(field) :: self._head_width]

    def heads(self) -> "Iterator[tuple[str, array[int]]]":
        """Yield (name, word of every row) for each header word of a row."""
        for field in ROW_FIELDS:
            yield field, self.head(field)

    def source_head(self, source: int, field: str) -> "array[int]":
        """Return one header word of a source in every row.

        ``source``: index in ``layout.sources``; ``field``: a name in format.ROW_SOURCE_FIELDS.
        """
        return self.head_words[row_source_word(source, field) :: self._head_width]

    def source_heads(self) -> "Iterator[tuple[str, list[array[int]]]]":
        """Yield (name, [word of every row, per source]) for each header word of a source."""
        for field in ROW_SOURCE_FIELDS:
            yield field, [self.source_head(i, field) for i in range(len(self.layout.sources))]

    def column(self, index: int) -> "array[int]":
        """Return a column: its value in every row. ``index``: its place in ``layout.columns()``."""
        return self.values[index :: self.layout.width]

    def row(self, n: int) -> "array[int]":
        """Return the values of the n-th row, (columns,)."""
        return self.values[n * self.layout.width : (n + 1) * self.layout.width]

    def utc_ns(self) -> "list[int]":
        """Return when each row began, UTC ns on the common time line.

        ValueError when sampling never started.
        """
        return list(map(Timeline.from_events(self.events).utc_ns, self.head("begin_mono_ns")))

    def statuses(self) -> "list[array[int]]":
        """Return the status in every row, per source."""
        return [self.source_head(i, "status") for i in range(len(self.layout.sources))]


def name_slots(layout: "Layout", events: "list[Event]") -> None:
    """Give devices that appeared during the run their names, in the order of their slots."""
    for e in events:
        if e["type"] == "device":
            table = layout.by_key.get((e["source"], e["table"]))
            if table is not None and e["slot"] == len(table.devices):
                table.add_device(e["device"])


def layout_with_devices(meta: "Mapping[str, Any]") -> "Layout":
    """Return the layout of a packed host, with all devices, from its member ``HOST/meta``."""
    layout = Layout.from_dict(meta["layout"])
    name_slots(layout, meta["events"])
    return layout


def layout_without_spares(meta: "Mapping[str, Any]") -> "Layout":
    """Return the layout of a packed host without slots that stayed free.

    They have no columns in a recording.
    """
    full = layout_with_devices(meta)
    tables = [
        DeviceTable(t.source, t.name, t.fields, t.devices, len(t.devices)) for t in full.tables
    ]
    return Layout(full.sources, tables)


def _int64(parts: "Iterable[Buffer]") -> "array[int]":
    out = array("q")
    for data in parts:
        out.frombytes(data)
    if sys.byteorder == "big":
        out.byteswap()
    return out
