"""Decoding in batches with numpy: the texts of many samples at once, source by source (``follow.py`` says how)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mpi_collector.batch.digit_delta import DigitDeltaDecoder
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import MISSING, Layout
from mpi_collector.node.sources.base import Source
from mpi_collector.node.spool.format import ROW_FIELDS, STAGE_FIELDS
from mpi_collector.node.spool.stage import status_in, whole_lines
from mpi_collector.node.status import TRUNCATED

Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_COLLECTOR = 2  #: the last columns of a row: they come from the stage's header


class BatchDecoder(RowDecoder):
    """A RowDecoder that decodes all staged samples at once."""

    def __init__(
        self, sources: list[Any], layout: Layout, on_event: Callable[[dict[str, Any]], object]
    ) -> None:
        super().__init__(sources, layout, on_event)
        self._followers = [
            DigitDeltaDecoder(d, _columns(layout, d.source.name)) for d in self.decoders
        ]
        self._prepares = [None if type(s).prepare is Source.prepare else s.prepare for s in sources]
        self._out = np.zeros((0, 0), "<i8")

    def decode_stage(
        self, view: memoryview, shape: Any, wanted: list[tuple[int, int, int]]
    ) -> Int64:
        """The rows (behind stamp and checksum) of the stage slots in ``wanted``, (tick, row, base) each, in order.

        samples x words, int64; overwritten by the next call.
        """
        width, head, count = shape.row_size // 8 - 2, shape.row_head // 8 - 2, len(wanted)
        if self._out.shape != (shape.stage_slots, width):
            self._out = np.empty((shape.stage_slots, width), "<i8")
        out = self._out[:count]
        ticks, bases = [w[0] for w in wanted], [w[2] for w in wanted]
        slots = np.ndarray((shape.stage_slots, shape.stage_size // 8), "<i8", view, shape.stage_at)
        words = slots[
            [(base - shape.stage_at) // shape.stage_size for base in bases], : shape.stage_head // 8
        ]
        out[:, head:] = MISSING
        heads(words, out[:, :head])
        out[:, -_COLLECTOR:] = words[:, 6:8]
        sizes = words[:, len(STAGE_FIELDS) :: 2]
        there = (sizes >= 0) & (sizes <= shape.caps)
        begins = np.array(bases)[:, None]
        ends, limits = (
            begins + shape.stage_head + np.cumsum(np.where(there, sizes, 0), axis=1),
            begins + shape.stage_size,
        )
        there &= ends <= limits
        cut = there & ((sizes == shape.caps) | (ends == limits))
        for i in range(shape.sources):
            places = Places(sizes[:, i], ends[:, i], there[:, i], cut[:, i])
            statuses = out[:, len(ROW_FIELDS) - 2 + 3 * i + 2]
            self._source(i, view, places, ticks, out[:, head:], statuses)
        return out

    def _source(
        self,
        i: int,
        view: memoryview,
        places: Places,
        ticks: list[int],
        rows: Int64,
        statuses: Int64,
    ) -> None:
        """Values and statuses of source ``i`` in all rows."""
        prepare, follow = self._prepares[i], self._followers[i].decode
        texts: list[Any] = [
            view[end - n : end] for n, end in zip(places.sizes.tolist(), places.ends.tolist())
        ]
        begin = 0
        for row in np.flatnonzero(places.cut | ~places.there).tolist():
            self._some(
                prepare,
                follow,
                texts[begin:row],
                ticks[begin:row],
                rows[begin:row],
                statuses[begin:row],
            )
            begin = row + 1
            if places.there[row]:
                lines = [whole_lines(bytes(texts[row]))]
                self._some(
                    prepare, follow, lines, ticks[row:begin], rows[row:begin], statuses[row:begin]
                )
                statuses[row] = TRUNCATED
            else:
                statuses[row] = status_in(int(places.sizes[row]))
        self._some(prepare, follow, texts[begin:], ticks[begin:], rows[begin:], statuses[begin:])

    @staticmethod
    def _some(
        prepare: Any, follow: Any, texts: list[Any], ticks: list[int], rows: Int64, statuses: Int64
    ) -> None:
        follow(
            texts if prepare is None else [prepare(bytes(t)) for t in texts], ticks, rows, statuses
        )


class Places(NamedTuple):
    """The texts of a source, one per sample: bytes or minus a status, where it ends, whether it is there, whether it was cut."""

    sizes: Int64
    ends: Int64
    there: Bools
    cut: Bools


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
