"""Stage slots: raw texts of samples that are not decoded yet."""

import struct

from ..status import ERROR, STATUS_NAMES, TRUNCATED
from .format import ROW_FIELDS, STAGE_FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..row.decode import RowDecoder


STATUSES = len(STATUS_NAMES)


def staged_texts(view: memoryview, base: int, shape: "Any") -> tuple:
    """(header words, [text or status per source], [whether it was cut]) of a stage slot."""
    words = struct.unpack_from("<%dq" % (shape.stage_head // 8), view, base)
    raws: list = []
    cut: list = []
    at, limit = base + shape.stage_head, base + shape.stage_size
    for n, cap in zip(words[len(STAGE_FIELDS) :: 2], shape.caps):
        fits = 0 <= n <= cap
        at += n if fits else 0
        there = fits and at <= limit
        raws.append(bytes(view[at - n : at]) if there else status_in(n))
        cut.append(there and (n == cap or at == limit))
    return words, raws, cut


def status_in(n: int) -> int:
    """The status that stands in place of a length in a stage slot; ERROR for what is none."""
    return -n if -STATUSES < n < 0 else ERROR


def whole_lines(text: bytes) -> bytes:
    """``text`` without its last line, which may have been cut."""
    return text[: text.rfind(b"\n") + 1]


def staged_row(
    view: memoryview, base: int, shape: "Any", decoder: "RowDecoder", tick: int
) -> bytes:
    """The row (behind stamp and checksum) of a stage slot."""
    words, raws, cut = staged_texts(view, base, shape)
    row, statuses = decoder.decode([whole_lines(r) if c else r for r, c in zip(raws, cut)], tick)
    statuses = [TRUNCATED if c else s for s, c in zip(statuses, cut)]
    row[-2:] = words[6:8]
    return row_head(words, statuses) + decoder.to_bytes(row)


def row_head(words: tuple, statuses: list) -> bytes:
    """The header of a row, behind stamp and checksum, from the header words of its stage slot."""
    begin, wall, deadline, flags = words[2:6]
    ends = words[len(STAGE_FIELDS) + 1 :: 2]
    out = [begin, wall, begin - deadline, (ends[-1] if ends else begin) - begin, flags]
    previous = begin
    for end, status in zip(ends, statuses):
        out += [previous - begin, end - previous, status]
        previous = end
    assert len(out) == len(ROW_FIELDS) - 2 + 3 * len(ends)
    return struct.pack("<%dq" % len(out), *out)
