"""Texts and row of a stage slot: a sample that was read but is not decoded yet."""

from ..status import ERROR, STATUS_NAMES, TRUNCATED
from .format import StageHeader, row_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..row.decode import RowDecoder
    from .format import SpoolShape


class StagedTexts:
    """The texts of a stage slot, one item per source in each list.

    ``texts``: the text, or a status in place of one. ``cut``: True when the text filled its room
    and may lack its end.
    """

    __slots__ = ("cut", "texts")

    def __init__(
        self, data: memoryview, base: int, shape: "SpoolShape", sizes: "tuple[int, ...]"
    ) -> None:
        self.texts: "list[bytes | int]" = []
        self.cut: "list[bool]" = []
        at = base + shape.stage_head
        limit = base + shape.stage_size
        for size, cap in zip(sizes, shape.caps):
            fits = 0 <= size <= cap
            at += size if fits else 0
            present = fits and at <= limit
            self.texts.append(bytes(data[at - size : at]) if present else status_in(size))
            self.cut.append(present and (size == cap or at == limit))


def status_in(size: int) -> int:
    """Return the status that stands in place of the size of a text; ERROR for an invalid one."""
    return -size if -len(STATUS_NAMES) < size < 0 else ERROR


def whole_lines(text: bytes) -> bytes:
    """Return ``text`` up to its last line feed: the line behind it may be cut."""
    return text[: text.rfind(b"\n") + 1]


def staged_row(
    data: memoryview, base: int, shape: "SpoolShape", decoder: "RowDecoder", tick: int
) -> bytes:
    """Return the payload of the row that the stage slot at offset ``base`` becomes."""
    header = StageHeader(data, base, shape)
    staged = StagedTexts(data, base, shape, header.sizes)
    raws = [
        whole_lines(text) if cut and isinstance(text, bytes) else text
        for text, cut in zip(staged.texts, staged.cut)
    ]
    row, statuses = decoder.decode(raws, tick)
    statuses = [TRUNCATED if cut else status for status, cut in zip(statuses, staged.cut)]
    collector = (header.cpu_ns, header.rss_bytes)
    row[-len(collector) :] = collector
    return row_header(header, statuses) + decoder.to_bytes(row)
