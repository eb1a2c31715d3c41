"""Decoding in batches with numpy: all numbers of all texts of many samples in one scan.

As long as the texts keep their shape, which digits belong to which column never changes. The shape is checked by what is
not a digit (compared as one slice), by how many numbers there are, and by the digits of labels (``eth0``,
``pgalloc_dma32``, major and minor). Two labels that differ only in where the same digits stand among the same letters
(``en1p11``, ``en11p1``) look alike; one would have to replace the other, in its place, between two samples.
A blank that is missing between a number and its unit (``12kB``) is not noticed either.

Whatever does not fit is decoded token by token by the parent class, which also meets new devices. So are sources that are
several files, or made, or read now and then: their texts change their shape too often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.node.decode import TRUNCATED, RowDecoder, SourceDecoder, wrap
from mpi_collector.node.layout import MISSING, Layout
from mpi_collector.node.sampler import staged_row, staged_texts, whole
from mpi_collector.node.spool import ROW_FIELDS, STAGE_FIELDS

_DIGITS = b"0123456789"
_BLANKS = b" \t\n\r\v\f"
_KEPT = bytes(c if c in _DIGITS else 32 for c in range(256))
_LETTERS = bytes(c for c in range(256) if c not in _DIGITS + _BLANKS + b"|")
_SHAPE_OUT = _DIGITS + _BLANKS
_BORDER = b"\n|\n"  # between two texts; the bar stands in the shape, so that nothing can move from one to the other
_FULL = np.uint64(2**64 - 1)  # what numpy makes of a number beyond 64 bits, too

_AT_ONCE = 8  #: samples a scan: their texts stay in the cache, and no buffer is large enough for malloc to give back

UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]


class _Shape:
    """The shape of one sample: where its numbers go."""

    def __init__(self, decoders: list[SourceDecoder], texts: list[bytes]) -> None:
        joined = _BORDER.join(texts)
        self.shape = joined.translate(None, _SHAPE_OUT)
        self.usable = True
        self.statuses: list[int] = []
        value_at: list[int] = []
        columns: list[int] = []
        label_at: list[int] = []
        at = 0
        for source, text in zip(decoders, texts):
            plan = source.plan
            tokens = text.split()
            target = _columns(plan)
            labels = set(plan.label_at)
            for i, token in enumerate(tokens):
                if not token.translate(None, _LETTERS + b"|"):
                    continue
                if i in target:
                    self.usable &= token.isdigit()
                    value_at.append(at)
                    columns.append(target[i])
                elif i in labels:
                    self.usable &= b"|" not in token
                    label_at.append(at)
                at += 1
            self.usable &= not plan.problems and bool(tokens)
        self.count = at
        self.value_at, self.columns = np.array(value_at, np.intp), np.array(columns, np.intp)
        self.label_at = np.array(label_at, np.intp)
        self.labels = numbers_of(joined)[self.label_at] if self.usable else np.zeros(0, np.uint64)


def _columns(plan: Any) -> dict[int, int]:
    """{token position: column} of a plan."""
    out: dict[int, int] = {}
    for first, last, a, b in plan.runs:
        out.update(zip(plan.value_at[a:b], range(first, last)))
    return out


def numbers_of(text: bytes) -> UInt64:
    """uint64: the digits of every token of ``text`` that has any. Dropping letters first leaves half as much to scan."""
    return np.fromstring(text.translate(_KEPT, _LETTERS), dtype=np.uint64, sep=" ")


class BatchDecoder(RowDecoder):
    """A RowDecoder that decodes all staged samples at once."""

    _shape: _Shape | None = None

    def __init__(self, sources: list[Any], layout: Layout, on_event: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(sources, layout, on_event)
        plain = [not (s.several or s.makes_its_text or s.every > 1 or s.budget_us or s.may_block) for s in sources]
        self._steady = [i for i, is_plain in enumerate(plain) if is_plain]
        self._others = [i for i, is_plain in enumerate(plain) if not is_plain]
        self._steady_decoders = [self.decoders[i] for i in self._steady]

    def decode_stage(self, view: memoryview, shape: Any, wanted: list[tuple[int, int, int]]) -> list[bytes]:
        """The rows (behind stamp and checksum) of the stage slots in ``wanted``, (tick, row, base) each, in order."""
        done: list[bytes] = []
        while len(done) < len(wanted):
            todo = wanted[len(done) : len(done) + _AT_ONCE]
            rows = self._fast(view, shape, todo) if self._shape is not None else []
            done += rows
            if len(rows) < len(todo):  # the next one has another shape
                tick, _row, base = todo[len(rows)]
                done.append(staged_row(view, base, shape, self, tick))
                self._learn(view, shape, base)
        return done

    def _texts(self, view: memoryview, shape: Any, base: int) -> list[bytes] | None:
        """The texts to scan, or None when a source was not read whole."""
        _words, raws = staged_texts(view, base, shape, self._steady)
        if any(isinstance(r, int) or len(r) == shape.caps[i] for i, r in zip(self._steady, raws)):
            return None
        return [d.source.prepare(r) for d, r in zip(self._steady_decoders, raws)]

    def _learn(self, view: memoryview, shape: Any, base: int) -> None:
        texts = self._texts(view, shape, base)
        self._shape = _Shape(self._steady_decoders, texts) if texts else None
        if self._shape is not None and not self._shape.usable:
            self._shape = None

    def _fast(self, view: memoryview, shape: Any, wanted: list[tuple[int, int, int]]) -> list[bytes]:
        """The rows of the first so many slots that have the known shape."""
        known = self._shape
        assert known is not None
        joined: list[bytes] = []
        for _tick, _row, base in wanted:
            texts = self._texts(view, shape, base)
            if texts is None:
                break
            text = _BORDER.join(texts)
            if text.translate(None, _SHAPE_OUT) != known.shape:
                break
            joined.append(text)
        if not joined:
            return []
        numbers = numbers_of(b"\n".join(joined))
        if numbers.size != known.count * len(joined):
            return self._fast(view, shape, wanted[: len(joined) // 2])
        table = numbers.reshape(len(joined), known.count)
        bad = (table[:, known.label_at] != known.labels).any(axis=1) | (table[:, known.value_at] == _FULL).any(axis=1)
        good = int(bad.argmax()) if bad.any() else len(joined)
        return self._rows(view, shape, wanted[:good], table[:good], known)

    def _rows(
        self, view: memoryview, shape: Any, wanted: list[tuple[int, int, int]], table: UInt64, known: _Shape
    ) -> list[bytes]:
        head = shape.row_head // 8 - 2
        out = np.full((len(wanted), head + shape.width), MISSING, dtype="<i8")
        words = np.array([np.frombuffer(view, "<i8", shape.stage_head // 8, base) for _t, _r, base in wanted], np.int64)
        if len(wanted):
            heads(words, out[:, :head])
            out[:, head + known.columns] = table[:, known.value_at].view(np.int64)
            out[:, -2:] = words[:, 6:8]
        if self._others:
            for row, (tick, _row, base) in zip(out, wanted):
                self._decode_others(view, shape, base, tick, row, head)
        return [row.tobytes() for row in out]

    def _decode_others(self, view: memoryview, shape: Any, base: int, tick: int, row: Int64, head: int) -> None:
        """The sources of a slot that are decoded one by one."""
        _words, raws = staged_texts(view, base, shape, self._others)
        cells = _Cells(row[head:])
        for i, raw in zip(self._others, raws):
            status = raw if isinstance(raw, int) else self.decoders[i].decode(whole(raw, shape.caps[i]), cells, tick)
            if not isinstance(raw, int) and len(raw) == shape.caps[i]:
                status = TRUNCATED
            row[len(ROW_FIELDS) - 2 + 3 * i + 2] = status


class _Cells:
    """A row that takes Python's integers; counters above 2^63 wrap."""

    __slots__ = ("_row",)

    def __init__(self, row: Int64) -> None:
        self._row = row

    def __setitem__(self, where: slice, values: list[int]) -> None:
        try:
            self._row[where] = values
        except OverflowError:
            self._row[where] = [wrap(v) for v in values]


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
