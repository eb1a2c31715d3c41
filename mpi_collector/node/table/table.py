"""All rows of a spool in tick order."""

import sys
from array import array

from ..clock import Timeline
from ..row.decode import RowDecoder
from ..row.layout import STOP_TICK, Layout
from ..row.placement import level_of
from ..sources import BY_NAME
from ..spool.format import ROW_FIELDS, ROW_SOURCE_FIELDS
from ..spool.stage import staged_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from ..spool.reader import SpoolReader


class SampleTable:
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
