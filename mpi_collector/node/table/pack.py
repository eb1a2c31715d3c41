"""Pack a node's table as members of an .npz file."""

from array import array

from ..clock import Timeline
from .facts import facts_of
from .npy import int_member, json_member, text_member
from .table import HEADS, SOURCE_HEADS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

    from .npy import NpzMember
    from .table import SampleTable


#: names behind ``KEY/`` of a host's members, in the order in which they are packed
TEXT_VECTORS = ("columns", "units", "kinds", "sources")
ROW_VECTORS = ("tick", "timestamp_ns", "clock_bound_ns") + HEADS
SOURCE_MATRICES = tuple("source_" + field for field in SOURCE_HEADS)
MEMBERS = ("meta",) + TEXT_VECTORS + ROW_VECTORS + SOURCE_MATRICES + ("values",)


def pack(table: "SampleTable", key: str) -> "Iterator[NpzMember]":
    """Yield the members of host ``key``, one by one so that only one is in memory uncompressed."""
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
    for field, words in table.heads():
        yield int_member("%s/%s" % (key, field), [words], n, flat=True)
    for field, cells in table.source_heads():
        yield int_member("%s/source_%s" % (key, field), cells, n)
    yield int_member(key + "/values", [table.column(i) for i in used], n)
