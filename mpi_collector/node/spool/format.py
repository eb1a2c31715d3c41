"""TODO"""

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


MAGIC = b"MPICOLL1"


VERSION = 2


HEADER_BYTES = 4096


EVENTS_BYTES = 256 * 1024


STAMP_SHIFT = 2  #: stamp = tick + 2; the stop row (tick -1) has 1


ROW_FIELDS = ("stamp", "crc", "begin_mono_ns", "begin_wall_ns", "late_ns", "duration_ns", "flags")


ROW_SOURCE_FIELDS = ("begin_ns", "duration_ns", "status")


STAGE_FIELDS = (
    "stamp",
    "crc",
    "begin_mono_ns",
    "begin_wall_ns",
    "deadline_ns",
    "flags",
    "cpu_ns",
    "rss_bytes",
)


FLAG_STOP = 1


_PAGE = 4096


_HEAD = struct.Struct("<8s16q")


_USED = struct.Struct("<q")


_USED_AT = 512  # apart from what is written once


_FRAME = struct.Struct("<II")


class SpoolShape:
    """Sizes and offsets of the parts of a spool. ``sources``: number of sources; ``caps``: raw bytes kept of each, at most.

    A slot of the stage has ``text_room`` bytes for all texts together: less than the sum of what each may have, since the page
    by which every one may grow is there twice, not once for each.
    """

    def __init__(
        self, meta_bytes: int, width: int, caps: list, stage_slots: int, rows: int
    ) -> None:
        self.width, self.sources, self.stage_slots, self.rows = width, len(caps), stage_slots, rows
        self.caps = [_align(c) for c in caps]
        self.row_head = 8 * (len(ROW_FIELDS) + len(ROW_SOURCE_FIELDS) * self.sources)
        self.row_size = self.row_head + 8 * width
        self.stage_head = 8 * (len(STAGE_FIELDS) + 2 * self.sources)
        self.text_room = _align(
            min(sum(self.caps), sum(max(c - _PAGE, 64) for c in self.caps) + 2 * _PAGE)
        )
        self.stage_size = self.stage_head + self.text_room
        self.meta_at = HEADER_BYTES
        self.events_at = self.meta_at + _align(meta_bytes)
        self.stage_at = self.events_at + EVENTS_BYTES
        self.rows_at = self.stage_at + self.stage_slots * self.stage_size
        self.size = self.rows_at + rows * self.row_size

    def words(self, meta_bytes: int) -> tuple:
        return (VERSION, meta_bytes, self.events_at, self.stage_at, self.stage_slots, self.rows_at, self.rows,
                self.width, self.sources)  # fmt: skip


def _align(n: int) -> int:
    return (n + 63) // 64 * 64


def row_crc(stamp: int, payload: "Any") -> int:
    return zlib.crc32(payload, (stamp ^ stamp >> 32) & 0xFFFFFFFF)
