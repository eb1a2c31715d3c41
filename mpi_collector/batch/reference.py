"""Decode the texts of one source from the digits that changed since a reference text.

Why: most bytes of a kernel file stay the same from sample to sample, and a batch has up to 256
texts.

A text that was decoded token by token becomes the reference: for each of its digits the column it
belongs to and its power of ten are known. As long as only such digits change, the values of a later
text are those of the reference plus, for every digit that changed, the difference times its power,
modulo 2^64 as counters are. That takes two passes over the bytes of many texts at once, and then
work only for what changed. A blank in front of a right-aligned number counts as the digit 0.

Where a number has become longer (``nr_dirty 9`` -> ``nr_dirty 10``), everything behind it has
moved. From then on such tokens are elastic: they are cut out of the text and read one by one; the
rest keeps its length.

Any other text, one with a new device for example, is decoded as a whole and becomes the next
reference.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.decode import Plan, wrap

_BLANK, _ZERO, _LOW = np.uint8(32), np.uint8(48), np.uint8(15)
_DIGITS = 20  #: of the largest 64-bit number
_POWERS = np.array([10**k for k in range(_DIGITS)], np.uint64).view(np.int64)

#: characters of an elastic token that is neither label nor value
WORDS, NUMBERS = rb"\S", rb"[0-9.]"

Text = bytes | memoryview  #: the text of a source in one sample
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]


class Reference:
    """A decoded text, with column and power of ten of every byte.

    ``values``: int64, a row of the layout with the values of the text.

    ``elastic``: numbers of the tokens that may have another length in the next text. Not ``usable``
    when they are too many, or when the plan does not describe the text. ``ignored``: the characters
    of those among them that are neither label nor value, as a class of a regular expression.
    """

    MOST_ELASTIC = 64

    def __init__(
        self,
        text: bytes,
        plan: Plan,
        values: Int64,
        elastic: frozenset[int] = frozenset(),
        ignored: bytes = WORDS,
    ) -> None:
        self.text, self.plan, self.elastic = text, plan, elastic
        data = np.frombuffer(text, np.uint8)
        self._starts, self._ends = _tokens(data)
        self.usable = (
            len(self._starts) == plan.count > 0
            and not plan.problems
            and len(elastic) <= self.MOST_ELASTIC
        )
        if self.usable:
            self.columns = np.concatenate(
                [np.arange(a, b) for a, b, _f, _l in plan.runs] or [np.zeros(0, np.intp)]
            )
            self.values = values[self.columns]
            self._power, self._column = np.zeros(len(text), np.int64), np.zeros(len(text), np.intp)
            self._may_change, self._may_blank = np.zeros(len(text), bool), np.zeros(len(text), bool)
            self._weigh(data, np.array(plan.value_at, np.intp))
            self._ignore(data)
            self._loosen(data, ignored)

    def _weigh(self, data: Bytes, value_at: Indices) -> None:
        """Set power and column of every digit and of the blanks before a right-aligned number."""
        starts, ends, columns = self._starts[value_at], self._ends[value_at], self.columns
        digits = np.concatenate(([0], np.cumsum(data - _ZERO < 10)))
        plain = (digits[ends] - digits[starts] == ends - starts) & (ends - starts <= _DIGITS)
        starts, ends, columns = starts[plain], ends[plain], columns[plain]
        others = np.flatnonzero(data != _BLANK)
        before = others[np.maximum(np.searchsorted(others, starts) - 1, 0)]
        # one blank stays between a number and what is before it
        left = np.maximum(np.minimum(starts, np.maximum(before + 2, ends - _DIGITS)), 0)
        span = ends - left
        exponent = np.arange(span.sum()) - np.repeat(np.cumsum(span) - span, span)
        at = np.repeat(ends, span) - 1 - exponent
        self._power[at] = _POWERS[exponent]
        self._column[at] = np.repeat(columns, span)
        self._may_change[at] = True
        self._may_blank[at] = np.repeat(left < starts, span) & (exponent > 0)

    def _ignore(self, data: Bytes) -> None:
        """Allow any digit in tokens that are neither labels nor values."""
        known = np.zeros(self.plan.count, bool)
        known[self.plan.label_at], known[self.plan.value_at] = True, True
        for i in np.flatnonzero(~known):
            token = slice(self._starts[i], self._ends[i])
            self._may_change[token] = data[token] - _ZERO < 10

    def _loosen(self, data: Bytes, ignored: bytes) -> None:
        """Cut the elastic tokens out of the reference."""
        column_of = dict(zip(self.plan.value_at, self.columns.tolist()))
        pattern: list[bytes] = []
        self._loose, self._loose_columns = [], []  # type: list[int], list[int]
        solid = np.ones(len(data), bool)
        at = 0
        for i in sorted(self.elastic):
            begin, end = int(self._starts[i]), int(self._ends[i])
            solid[begin:end] = False
            if i in column_of:
                self._loose.append(2 * len(pattern) + 1)
                self._loose_columns.append(column_of[i])
            # a token ends where it ends: nothing that does not match is tried twice
            kind = rb"[0-9]" if i in column_of else ignored
            pattern.append(rb"(.{%d})(%s{1,%d})(?!%s)" % (begin - at, kind, _DIGITS, kind))
            at = end
        # an elastic number that was right-aligned once may not use the blanks before it: they are
        # not read with it
        own = np.isin(self._column, self._loose_columns) & (self._power != 0)
        self._power[own], self._may_change[own], self._may_blank[own] = 0, False, False
        self._joints = re.compile(b"".join(pattern) + b"(.*)", re.DOTALL) if pattern else None
        self._solid = data[solid]
        self._power, self._column = self._power[solid], self._column[solid]
        self._may_change, self._may_blank = self._may_change[solid], self._may_blank[solid]

    # ---- the texts that come later
    def follow(self, texts: list[Text], rows: Int64) -> int:
        """Fill rows for the leading texts that differ from the reference in digits only.

        ``rows``: int64, texts x columns of the layout. Return the number of these texts.
        """
        loose: list[list[int]] = []
        parts: list[Text]
        if self._joints is not None:
            parts, loose = self._relaxed(self._joints.match, texts)
        else:
            parts = _leading(texts, len(self.text))
        if not parts:
            return 0
        table = np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), len(self._solid))
        count, columns, more = self._changes(table)
        rows[:count, self.columns] = self.values
        if columns is not None:
            rows[:count, columns] += more
        if self._loose_columns and count:
            rows[:count, self._loose_columns] = _int64(loose[:count])
        return count

    def _relaxed(self, match: Any, texts: list[Text]) -> tuple[list[Text], list[list[int]]]:
        """Return (the leading texts without their elastic tokens, the values of these tokens)."""
        parts: list[Text] = []
        values: list[list[int]] = []
        size = len(self._solid)
        for text in texts:
            found = match(text)
            if found is None:
                break
            groups = found.groups()
            part = b"".join(groups[::2])
            if len(part) != size:
                break
            parts.append(part)
            values.append([int(groups[i]) for i in self._loose])
        return parts, values

    def _changes(self, table: Bytes) -> tuple[int, Indices | None, Any]:
        """Return (number of rows that fit, columns, what to add to the reference there per row)."""
        at = np.flatnonzero((table != self._solid).any(axis=0))
        if not at.size:
            return len(table), None, None
        cells, known, power = table[:, at], self._solid[at], self._power[at]
        good = (cells - _ZERO < 10) & self._may_change[at]
        padded = np.flatnonzero(self._may_blank[at])
        if padded.size:
            good[:, padded] = _padded(table, at[padded], cells[:, padded])
        fits = (good | (cells == known)).all(axis=1)
        count = first_false(fits)
        digits = np.flatnonzero(power)
        if not count or not digits.size:
            return count, None, None
        column = self._column[at[digits]]
        more = ((cells[:count, digits] & _LOW).astype(np.int64) - (known[digits] & _LOW)) * power[
            digits
        ]
        starts = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1])))
        return count, column[starts], np.add.reduceat(more, starts, axis=1)


def _padded(table: Bytes, at: Indices, cells: Bytes) -> Bools:
    """Return which cells fit into a right-aligned number, as bools in the shape of ``cells``.

    These are a digit with a digit behind it, and a blank with a blank before it.
    """
    digit: Bools = (cells - _ZERO < 10) & (table[:, at + 1] - _ZERO < 10)
    blank: Bools = (cells == _BLANK) & (table[:, at - 1] == _BLANK)
    return digit | blank


def _tokens(text: Bytes) -> tuple[Indices, Indices]:
    """Return begin and end of the tokens of ``bytes.split()``."""
    solid = np.zeros(len(text) + 2, np.int8)
    solid[1:-1] = ~((text == _BLANK) | (text - np.uint8(9) < 5))
    edges = np.diff(solid)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _leading(texts: list[Text], size: int) -> list[Text]:
    """Return the texts before the first that is not ``size`` bytes long."""
    for i, text in enumerate(texts):
        if len(text) != size:
            return texts[:i]
    return texts


def _int64(values: list[list[int]]) -> Int64:
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([[wrap(v) for v in row] for row in values], np.int64)


def stretched(plan: Plan, texts: list[Text]) -> frozenset[int]:
    """Return the tokens whose length differs from that in the first of ``texts``.

    Texts with other labels are passed over, and all behind one with another number of tokens.
    """
    lengths = np.array([len(t) + 1 for t in texts])
    begins = np.cumsum(lengths) - lengths
    ends = _tokens(np.frombuffer(b"\n".join(texts), np.uint8))[1]
    count = np.diff(np.searchsorted(ends, np.append(begins, begins[-1] + lengths[-1])))
    same = first_false(count == plan.count)
    table = ends[: same * plan.count].reshape(same, plan.count) - begins[:same, None]
    table[:, 1:] -= table[:, :-1].copy()
    moved = table != table[:1]
    others = moved[:, plan.label_at].any(axis=1)  # with other labels
    return frozenset(np.flatnonzero(moved[~others].any(axis=0)).tolist())


def first_false(true: Bools) -> int:
    """Return the number of elements before the first that is False."""
    return len(true) if true.all() else int(true.argmin())
