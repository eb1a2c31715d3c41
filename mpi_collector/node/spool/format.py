"""Binary format of a spool: offsets, fields and checksums. No other module knows them.

A spool is a file, or plain memory, of little-endian signed 8-byte words. Its parts in order:

* the header, HEADER_BYTES long: magic, sizes and the checksum of the meta data; apart from these,
  which are written once, the number of bytes used in the event log;
* the meta data, a JSON document: layout of the rows, facts about the run and the host;
* the event log, EVENTS_BYTES long: frames of length, checksum and a JSON document;
* the stage slots: each a header record and the texts of a sample that is not decoded yet;
* the rows: each a record of row header and values.

A *record* is stamp, checksum, payload. The stamp is tick + STAMP_SHIFT and is written last; 0 means
that the record is free or torn. The checksum covers payload and stamp.
"""

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import Iterator, Union

    Buffer = Union[bytes, bytearray, memoryview]
    WritableBuffer = Union[bytearray, memoryview, mmap.mmap]

VERSION = 2
HEADER_BYTES = 4096
EVENTS_BYTES = 256 * 1024
FREE = 0  #: stamp of a free record
STAMP_SHIFT = 2  #: stamp = tick + 2; the stop row, tick -1, has 1
#: stamp ^ stamp >> STAMP_FOLD, modulo 2^32, seeds the checksum of a record: no wrong bit of a stamp
#: is missed
STAMP_FOLD = 32
PAYLOAD_AT = 16  #: offset of the payload in a record
FLAG_STOP = 1  #: in the word ``flags`` of the row taken at the stop

#: words of a row's payload before the words of the sources
ROW_FIELDS = ("begin_mono_ns", "begin_wall_ns", "late_ns", "duration_ns", "flags")
#: words of each source in a row's header
ROW_SOURCE_FIELDS = ("begin_ns", "duration_ns", "status")
#: words of a stage slot's payload before the words of the sources
STAGE_FIELDS = ("begin_mono_ns", "begin_wall_ns", "deadline_ns", "flags", "cpu_ns", "rss_bytes")
#: words of each source in a stage slot's header; ``size``: bytes of its text, or minus a status
STAGE_SOURCE_FIELDS = ("size", "end_ns")
#: words of the spool's header behind the magic
HEADER_FIELDS = (
    "version",
    "meta_bytes",
    "events_at",
    "stage_at",
    "stage_slots",
    "rows_at",
    "rows",
    "width",
    "sources",
    "meta_crc",
)

_MAGIC = b"MPICOLL1"
_WORD = 8
_PAGE = 4096
_HEADER = struct.Struct("<%ds%dq" % (len(_MAGIC), len(HEADER_FIELDS)))
_RECORD_WORDS = PAYLOAD_AT // _WORD
_EVENTS_USED_AT = 512  # apart from the words that are written once
_FRAME = struct.Struct("<II")  # length and checksum of an event
_STAMP = struct.Struct("<q")
_SEAL = struct.Struct("<qq")

#: write_stamp(buffer, offset of a record, stamp)
write_stamp = _STAMP.pack_into
#: write_seal(buffer, offset of a record, stamp, checksum)
write_seal = _SEAL.pack_into


class SpoolShape:
    """Sizes and offsets, in bytes, of the parts of a spool.

    ``width``: values in a row. ``caps``: bytes kept of each source's text, at most, rounded up.
    A stage slot has ``text_room`` bytes for all texts: less than the sum of ``caps``, which holds a
    page of room to grow for every source; the slot has two such pages.
    """

    def __init__(
        self, meta_bytes: int, width: int, caps: "list[int]", stage_slots: int, rows: int
    ) -> None:
        self.width = width
        self.sources = len(caps)
        self.stage_slots = stage_slots
        self.rows = rows
        self.caps = [_align(c) for c in caps]
        head_words = len(ROW_FIELDS) + len(ROW_SOURCE_FIELDS) * self.sources
        self.row_head = PAYLOAD_AT + _WORD * head_words
        self.row_size = self.row_head + _WORD * width
        stage_words = len(STAGE_FIELDS) + len(STAGE_SOURCE_FIELDS) * self.sources
        self.stage_head = PAYLOAD_AT + _WORD * stage_words
        least = sum(max(c - _PAGE, 64) for c in self.caps) + 2 * _PAGE
        self.text_room = _align(min(sum(self.caps), least))
        self.stage_size = self.stage_head + self.text_room
        self.meta_bytes = meta_bytes
        self.meta_at = HEADER_BYTES
        self.events_at = self.meta_at + _align(meta_bytes)
        self.stage_at = self.events_at + EVENTS_BYTES
        self.rows_at = self.stage_at + self.stage_slots * self.stage_size
        self.size = self.rows_at + rows * self.row_size

    @property
    def row_words(self) -> int:
        """Number of words in the payload of a row."""
        return (self.row_size - PAYLOAD_AT) // _WORD

    @property
    def row_head_words(self) -> int:
        """Number of words in the payload of a row that belong to its header."""
        return (self.row_head - PAYLOAD_AT) // _WORD

    @property
    def stage_words(self) -> int:
        """Number of words in a stage slot, stamp and checksum included."""
        return self.stage_size // _WORD

    @property
    def stage_head_words(self) -> int:
        """Number of words in the header of a stage slot, stamp and checksum included."""
        return self.stage_head // _WORD

    def row_offset(self, slot: int) -> int:
        """Return the offset of a row in the spool."""
        return self.rows_at + slot * self.row_size

    def stage_offset(self, slot: int) -> int:
        """Return the offset of a stage slot in the spool."""
        return self.stage_at + slot * self.stage_size

    def stage_slot(self, offset: int) -> int:
        """Return the number of the stage slot at ``offset``."""
        return (offset - self.stage_at) // self.stage_size

    def row_payload(self, data: "Buffer", at: int) -> "Buffer":
        """Return the payload of the row at ``at``: header and values."""
        return data[at + PAYLOAD_AT : at + self.row_size]


# ---- the spool's header


class SpoolHeader:
    """The header of a spool: one attribute per name in HEADER_FIELDS."""

    __slots__ = HEADER_FIELDS

    version: int
    meta_bytes: int
    events_at: int
    stage_at: int
    stage_slots: int
    rows_at: int
    rows: int
    width: int
    sources: int
    meta_crc: int

    def __init__(self, data: "Buffer") -> None:
        """Read the header of ``data``. ValueError when it does not begin like a spool."""
        if len(data) < HEADER_BYTES or bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise ValueError("not a spool")
        for name, word in zip(HEADER_FIELDS, _HEADER.unpack_from(data)[1:]):
            setattr(self, name, word)

    def fits(self, shape: "SpoolShape") -> bool:
        """Return True when sizes and offsets are those of ``shape``."""
        mine = [getattr(self, name) for name in HEADER_FIELDS]
        return self.rows >= 0 and mine == _header_words(shape, self.meta_crc)


def header_offset(field: str) -> int:
    """Return the offset in the spool of a header word, named as in HEADER_FIELDS."""
    return len(_MAGIC) + _WORD * HEADER_FIELDS.index(field)


def write_header(data: "WritableBuffer", shape: "SpoolShape", meta: bytes) -> None:
    """Write the meta data and then the header of a new spool."""
    data[shape.meta_at : shape.meta_at + len(meta)] = meta
    _HEADER.pack_into(data, 0, _MAGIC, *_header_words(shape, zlib.crc32(meta)))


def _header_words(shape: "SpoolShape", meta_crc: int) -> "list[int]":
    return [
        VERSION,
        shape.meta_bytes,
        shape.events_at,
        shape.stage_at,
        shape.stage_slots,
        shape.rows_at,
        shape.rows,
        shape.width,
        shape.sources,
        meta_crc,
    ]


# ---- the event log


def write_event(
    data: "WritableBuffer", shape: "SpoolShape", used: int, body: bytes, spared: int = 0
) -> int:
    """Append ``body`` to an event log with ``used`` bytes; return the bytes used then.

    Return ``used`` and write nothing when fewer than ``spared`` bytes would be free then.
    """
    after = used + _event_bytes(len(body))
    if after > EVENTS_BYTES - spared:
        return used
    at = shape.events_at + used
    data[at + _FRAME.size : at + _FRAME.size + len(body)] = body
    _FRAME.pack_into(data, at, len(body), zlib.crc32(body))
    _STAMP.pack_into(data, _EVENTS_USED_AT, after)
    return after


def read_events(data: "Buffer", shape: "SpoolShape") -> "Iterator[tuple[int, bytes | None]]":
    """Yield (offset in the spool, body) of every event; the body is None if damaged, then end."""
    at = shape.events_at
    end = at + min(_STAMP.unpack_from(data, _EVENTS_USED_AT)[0], EVENTS_BYTES)
    while at + _FRAME.size <= end:
        size, crc = _FRAME.unpack_from(data, at)
        begin = at + _FRAME.size
        body = bytes(data[begin : begin + size])
        if begin + size > end or zlib.crc32(body) != crc:
            yield at, None
            return
        yield at, body
        at += _event_bytes(size)


def events_used_piece(used: int) -> "tuple[int, bytes]":
    """Return (offset, bytes) of the header word that says how much of the event log is used."""
    return _EVENTS_USED_AT, _STAMP.pack(used)


def _event_bytes(size: int) -> int:
    """Return the bytes that an event with a body of ``size`` bytes takes, a multiple of a word."""
    return (_FRAME.size + size + _WORD - 1) // _WORD * _WORD


# ---- records


def record_checksum(stamp: int, payload: "Buffer") -> int:
    """Return the checksum of a record: CRC-32 of the payload, seeded with the folded stamp."""
    return zlib.crc32(payload, (stamp ^ stamp >> STAMP_FOLD) & 0xFFFFFFFF)


def stamp_at(data: "Buffer | WritableBuffer", at: int) -> int:
    """Return the stamp of the record at ``at``."""
    return int(_STAMP.unpack_from(data, at)[0])


def tick_at(data: "Buffer | WritableBuffer", at: int) -> int:
    """Return the tick of the record at ``at``, which must not be free."""
    return stamp_at(data, at) - STAMP_SHIFT


def is_whole(data: "Buffer", at: int, size: int) -> bool:
    """Return True when the ``size`` bytes at ``at`` are a record that is neither free nor torn."""
    stamp, crc = _SEAL.unpack_from(data, at)
    return bool(stamp > FREE and record_checksum(stamp, data[at + PAYLOAD_AT : at + size]) == crc)


def write_record(data: "WritableBuffer", at: int, size: int, tick: int, payload: "Buffer") -> None:
    """Write a record of ``size`` bytes.

    A reader finds the old, the new or a free one, never a mix.
    """
    stamp = tick + STAMP_SHIFT
    write_stamp(data, at, FREE)
    data[at + PAYLOAD_AT : at + size] = payload
    # the stamp last: until then the record is free
    crc = zlib.crc32(payload, (stamp ^ stamp >> STAMP_FOLD) & 0xFFFFFFFF)
    _STAMP.pack_into(data, at + _STAMP.size, crc)
    write_stamp(data, at, stamp)


def free_piece() -> bytes:
    """Return the first bytes of a free record."""
    return _STAMP.pack(FREE)


def begin_wall_ns(data: "Buffer", at: int) -> int:
    """Return when the sample of a row or of a stage slot began, UTC ns."""
    offset = PAYLOAD_AT + _WORD * ROW_FIELDS.index("begin_wall_ns")
    return int(_STAMP.unpack_from(data, at + offset)[0])


# ---- stage slots and rows


class StageHeader:
    """The header of a stage slot. ``sizes``, ``ends_ns``: one number per source."""

    __slots__ = STAGE_FIELDS + ("ends_ns", "sizes")

    begin_mono_ns: int
    begin_wall_ns: int
    deadline_ns: int
    flags: int
    cpu_ns: int
    rss_bytes: int

    def __init__(self, data: "Buffer", at: int, shape: "SpoolShape") -> None:
        words = struct.unpack_from("<%dq" % shape.stage_head_words, data, at)
        for name, word in zip(STAGE_FIELDS, words[_RECORD_WORDS:]):
            setattr(self, name, word)
        self.sizes: "tuple[int, ...]" = words[STAGE_SIZES]
        self.ends_ns: "tuple[int, ...]" = words[STAGE_ENDS]


def stage_payload(sources: int) -> "struct.Struct":
    """Return the layout of a stage header's payload for so many sources."""
    return struct.Struct("<%dq" % (len(STAGE_FIELDS) + len(STAGE_SOURCE_FIELDS) * sources))


def row_header(stage: "StageHeader", statuses: "list[int]") -> bytes:
    """Return the header of a row (behind stamp and checksum) from the header of its stage slot."""
    begin = stage.begin_mono_ns
    end = stage.ends_ns[-1] if stage.ends_ns else begin
    out = [begin, stage.begin_wall_ns, begin - stage.deadline_ns, end - begin, stage.flags]
    previous = begin
    for source_end, status in zip(stage.ends_ns, statuses):
        out += [previous - begin, source_end - previous, status]
        previous = source_end
    return struct.pack("<%dq" % len(out), *out)


# ---- indices of words, for arrays over many records


def stage_word(field: str) -> int:
    """Return the index in a stage slot of a header word, named as in STAGE_FIELDS."""
    return _RECORD_WORDS + STAGE_FIELDS.index(field)


def row_word(field: str) -> int:
    """Return the index in the payload of a row of a header word, named as in ROW_FIELDS."""
    return ROW_FIELDS.index(field)


def row_source_word(source: int, field: str) -> int:
    """Return the index in a row's payload of a source's word, named as in ROW_SOURCE_FIELDS."""
    return len(ROW_FIELDS) + source * len(ROW_SOURCE_FIELDS) + ROW_SOURCE_FIELDS.index(field)


def row_source_words(field: str) -> slice:
    """Return the indices in the header of a row of one word of all sources."""
    return slice(row_source_word(0, field), None, len(ROW_SOURCE_FIELDS))


def _stage_source_words(field: str) -> slice:
    first = _RECORD_WORDS + len(STAGE_FIELDS) + STAGE_SOURCE_FIELDS.index(field)
    return slice(first, None, len(STAGE_SOURCE_FIELDS))


#: indices in the header of a stage slot of the sizes and of the ends of all sources
STAGE_SIZES = _stage_source_words("size")
STAGE_ENDS = _stage_source_words("end_ns")


def _align(n: int) -> int:
    return (n + 63) // 64 * 64
