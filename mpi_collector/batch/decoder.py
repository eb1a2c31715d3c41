"""Decode all staged samples of a batch at once, source by source, with numpy.

Why: token by token in Python a sample costs several hundred microseconds. A batch of up to 256
staged samples has almost the same texts; one vectorised pass per source over all of them
(reference.py) finds the digits that changed and computes only these values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mpi_collector.batch.digit_delta import DigitDeltaDecoder
from mpi_collector.batch.reference import Text
from mpi_collector.node.row.decode import COLLECTOR_FIELDS, RowDecoder
from mpi_collector.node.row.layout import MISSING, Layout
from mpi_collector.node.spool.format import (
    STAGE_ENDS,
    STAGE_SIZES,
    SpoolShape,
    row_source_word,
    row_source_words,
    row_word,
    stage_word,
)
from mpi_collector.node.spool.stage import status_in, whole_lines
from mpi_collector.node.status import TRUNCATED

Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: words of the stage header that are the last columns of a row
_COLLECTOR = [stage_word(field.name) for field in COLLECTOR_FIELDS]


class SourceTexts(NamedTuple):
    """Where the texts of one source lie; arrays with one element per sample.

    ``sizes``: bytes, or minus a status. ``ends``: offset in the spool behind the text.
    ``present``: whether there is a text. ``cut``: whether it filled its room and may lack its end.
    """

    sizes: Int64
    ends: Int64
    present: Bools
    cut: Bools


class BatchDecoder(RowDecoder):
    """A RowDecoder that decodes all staged samples of a batch at once."""

    def __init__(
        self, sources: list[Any], layout: Layout, on_event: Callable[[dict[str, Any]], object]
    ) -> None:
        super().__init__(sources, layout, on_event)
        self._followers = [
            DigitDeltaDecoder(d, _columns(layout, d.source.name)) for d in self.decoders
        ]
        self._out: Int64 = np.zeros((0, 0), "<i8")

    def decode_stage(
        self, view: memoryview, shape: SpoolShape, wanted: Sequence[tuple[int, int, int]]
    ) -> Int64:
        """Return the payloads of the rows that stage slots become, in the order of ``wanted``.

        ``view``: the whole spool. ``wanted``: (tick, slot of the row, offset of the stage slot) per
        sample. The result has the shape len(wanted) x ``shape.row_words``, dtype <i8: row header,
        then values. It is a view of a buffer that the next call overwrites.
        """
        head = shape.row_head_words
        out = self._buffer(shape)[: len(wanted)]
        ticks = [tick for tick, _slot, _base in wanted]
        bases = [base for _tick, _slot, base in wanted]
        slots = np.ndarray((shape.stage_slots, shape.stage_words), "<i8", view, shape.stage_at)
        words = slots[[shape.stage_slot(base) for base in bases], : shape.stage_head_words]
        out[:, head:] = MISSING
        write_row_headers(words, out[:, :head])
        out[:, -len(_COLLECTOR) :] = words[:, _COLLECTOR]
        texts = locate_texts(words[:, STAGE_SIZES], np.array(bases), shape)
        for i, source_texts in enumerate(texts):
            statuses = out[:, row_source_word(i, "status")]
            self._decode_source(i, view, source_texts, ticks, out[:, head:], statuses)
        return out

    def _buffer(self, shape: SpoolShape) -> Int64:
        """Return the array that results are written to: stage slots x words of a row's payload."""
        wanted = (shape.stage_slots, shape.row_words)
        if self._out.shape != wanted:
            self._out = np.empty(wanted, "<i8")
        return self._out

    def _decode_source(
        self,
        i: int,
        view: memoryview,
        places: SourceTexts,
        ticks: list[int],
        rows: Int64,
        statuses: Int64,
    ) -> None:
        """Fill values and statuses of source ``i`` in all rows.

        Runs of whole texts are decoded together; a cut text by itself, up to its last whole line.
        """
        texts: list[Text] = [
            view[end - n : end] for n, end in zip(places.sizes.tolist(), places.ends.tolist())
        ]
        decode = self._followers[i].decode
        begin = 0
        for row in np.flatnonzero(places.cut | ~places.present).tolist():
            whole = slice(begin, row)
            decode(texts[whole], ticks[whole], rows[whole], statuses[whole])
            begin = row + 1
            if places.present[row]:
                one = slice(row, begin)
                lines: list[Text] = [whole_lines(bytes(texts[row]))]
                decode(lines, ticks[one], rows[one], statuses[one])
                statuses[row] = TRUNCATED
            else:
                statuses[row] = status_in(int(places.sizes[row]))
        decode(texts[begin:], ticks[begin:], rows[begin:], statuses[begin:])


def locate_texts(sizes: Int64, bases: Int64, shape: SpoolShape) -> list[SourceTexts]:
    """Return where the texts lie, per source, as ``StagedTexts`` finds them for one sample.

    ``sizes``: samples x sources, ``bases``: offset of each sample's stage slot.
    """
    present = (sizes >= 0) & (sizes <= shape.caps)
    begins = bases[:, None] + shape.stage_head
    limits = bases[:, None] + shape.stage_size
    ends = begins + np.cumsum(np.where(present, sizes, 0), axis=1)
    present &= ends <= limits
    cut = present & ((sizes == shape.caps) | (ends == limits))
    return [
        SourceTexts(sizes[:, i], ends[:, i], present[:, i], cut[:, i]) for i in range(shape.sources)
    ]


def write_row_headers(words: Int64, out: Int64) -> None:
    """Fill row headers as ``format.row_header`` makes one, with status 0 for every source.

    ``words``: samples x words of the stage header. ``out``: samples x words of the row header.
    """
    begin = words[:, stage_word("begin_mono_ns")]
    ends = words[:, STAGE_ENDS]
    out[:, row_word("begin_mono_ns")] = begin
    out[:, row_word("begin_wall_ns")] = words[:, stage_word("begin_wall_ns")]
    out[:, row_word("late_ns")] = begin - words[:, stage_word("deadline_ns")]
    out[:, row_word("duration_ns")] = ends[:, -1] - begin if ends.shape[1] else 0
    out[:, row_word("flags")] = words[:, stage_word("flags")]
    starts = np.concatenate((begin[:, None], ends[:, :-1]), axis=1) if ends.shape[1] else ends
    out[:, row_source_words("begin_ns")] = starts - begin[:, None]
    out[:, row_source_words("duration_ns")] = ends - starts
    out[:, row_source_words("status")] = 0


def _columns(layout: Layout, source: str) -> slice:
    """Return the columns of a source: its tables lie side by side."""
    tables = [t for t in layout.tables if t.source == source]
    return slice(tables[0].base, tables[-1].base + tables[-1].width) if tables else slice(0, 0)
