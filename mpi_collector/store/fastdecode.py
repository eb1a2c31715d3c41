"""Decoding in batches with numpy: the texts of many samples at once, source by source (``follow.py`` says how)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.node.decode import ERROR, STATUS_NAMES, TRUNCATED, RowDecoder
from mpi_collector.node.layout import MISSING, Layout
from mpi_collector.node.sampler import whole
from mpi_collector.node.sources.base import Source
from mpi_collector.node.spool import ROW_FIELDS, STAGE_FIELDS

from .follow import Follower

Int64 = npt.NDArray[np.int64]

_COLLECTOR = 2  #: the last columns of a row: they come from the stage's header


class BatchDecoder(RowDecoder):
    """A RowDecoder that decodes all staged samples at once."""

    def __init__(self, sources: list[Any], layout: Layout, on_event: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(sources, layout, on_event)
        self._followers = [Follower(d, _columns(layout, d.source.name)) for d in self.decoders]
        self._prepares = [None if type(s).prepare is Source.prepare else s.prepare for s in sources]
        self._out = np.zeros((0, 0), "<i8")

    def decode_stage(self, view: memoryview, shape: Any, wanted: list[tuple[int, int, int]]) -> Int64:
        """The rows (behind stamp and checksum) of the stage slots in ``wanted``, (tick, row, base) each, in order.

        samples x words, int64; overwritten by the next call.
        """
        width, head, count = shape.row_size // 8 - 2, shape.row_head // 8 - 2, len(wanted)
        if self._out.shape[0] < count or self._out.shape[1] != width:
            self._out = np.empty((count, width), "<i8")
        out = self._out[:count]
        ticks, bases = [w[0] for w in wanted], [w[2] for w in wanted]
        slots = np.ndarray((shape.stage_slots, shape.stage_size // 8), "<i8", view, shape.stage_at)
        words = slots[[(base - shape.stage_at) // shape.stage_size for base in bases], : shape.stage_head // 8]
        out[:, head:] = MISSING
        heads(words, out[:, :head])
        out[:, -_COLLECTOR:] = words[:, 6:8]
        sizes = words[:, len(STAGE_FIELDS) :: 2]
        there = np.where((sizes >= 0) & (sizes <= shape.caps), sizes, 0)
        ends = np.array(bases)[:, None] + shape.stage_head + np.cumsum(there, axis=1)
        for i, cap in enumerate(shape.caps):
            places = list(zip(sizes[:, i].tolist(), ends[:, i].tolist()))
            statuses = out[:, len(ROW_FIELDS) - 2 + 3 * i + 2]
            self._source(i, view, cap, places, ticks, out[:, head:], statuses)
        return out

    def _source(self, i: int, view: memoryview, cap: int, places: list[tuple[int, int]], ticks: list[int], rows: Int64,
                statuses: Int64) -> None:  # fmt: skip
        """Values and statuses of source ``i`` in all rows; ``places``: (bytes of its text or minus a status, its end)."""
        prepare, follow = self._prepares[i], self._followers[i].decode
        texts: list[Any] = []
        begin = 0
        for row, (n, end) in enumerate(places):
            text: Any = view[end - n : end]
            if 0 <= n < cap:
                texts.append(text if prepare is None else prepare(bytes(text)))
                continue
            follow(texts, ticks[begin:row], rows[begin:row], statuses[begin:row])
            texts, begin = [], row + 1
            if n == cap:
                cut = whole(bytes(text), cap)
                follow([cut if prepare is None else prepare(cut)], ticks[row:begin], rows[row:begin], statuses[row:begin])
                statuses[row] = TRUNCATED
            else:
                statuses[row] = -n if -len(STATUS_NAMES) < n < 0 else ERROR
        follow(texts, ticks[begin:], rows[begin:], statuses[begin:])


def _columns(layout: Layout, source: str) -> slice:
    """Those of a source's tables, which lie side by side."""
    tables = [t for t in layout.tables if t.source == source]
    return slice(tables[0].base, tables[-1].base + tables[-1].width) if tables else slice(0, 0)


def heads(words: Int64, out: Int64) -> None:
    """Row headers from stage headers, as ``sampler.row_head`` makes one: begin, wall, late, duration, flags, sources."""
    begin = words[:, 2]
    ends = words[:, len(STAGE_FIELDS) + 1 :: 2]
    first = len(ROW_FIELDS) - 2
    out[:, 0], out[:, 1], out[:, 2] = begin, words[:, 3], begin - words[:, 4]
    out[:, 3] = ends[:, -1] - begin if ends.shape[1] else 0
    out[:, 4] = words[:, 5]
    starts = np.concatenate((begin[:, None], ends[:, :-1]), axis=1) if ends.shape[1] else ends
    out[:, first::3] = starts - begin[:, None]
    out[:, first + 1 :: 3] = ends - starts
    out[:, first + 2 :: 3] = 0
