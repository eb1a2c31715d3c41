"""Read a spool that no process writes."""

import errno
import fcntl
import json
import mmap
import os
import stat
import struct
import zlib

from ..errors import SpoolError
from ..row.layout import Layout
from .format import (
    _FRAME,
    _HEAD,
    _USED,
    _USED_AT,
    EVENTS_BYTES,
    HEADER_BYTES,
    MAGIC,
    STAMP_SHIFT,
    VERSION,
    SpoolShape,
    row_crc,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


class SpoolReader:
    """Reads a spool that nobody writes. SpoolError when it is no spool or damaged beyond use."""

    def __init__(self, data: "Any", name: str) -> None:
        self.data, self.name = data, name
        self.holder: "Any" = None  # keeps the file locked where ``data`` does not
        if len(data) < HEADER_BYTES or bytes(data[:8]) != MAGIC:
            raise SpoolError("%s: not a spool of this program" % name)
        words = _HEAD.unpack_from(data, 0)[1:]
        version, meta_bytes, _ev, _st, stage_slots, _rows_at, rows, width, sources, meta_crc = (
            words[:10]
        )
        if version != VERSION:
            raise SpoolError(
                "%s: spool version %d, this program reads %d" % (name, version, VERSION)
            )
        if not 0 < meta_bytes <= len(data) - HEADER_BYTES:
            raise SpoolError("%s: damaged at byte 16: meta of %d bytes" % (name, meta_bytes))
        doc = bytes(data[HEADER_BYTES : HEADER_BYTES + meta_bytes])
        if zlib.crc32(doc) != meta_crc:
            raise SpoolError(
                "%s: damaged at byte %d: checksum of the meta data" % (name, HEADER_BYTES)
            )
        try:
            self.meta = json.loads(doc.decode())
            self.layout = Layout.from_dict(self.meta["layout"])
            caps = [int(c) for c in self.meta["raw_bytes"]]
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as e:
            raise SpoolError(
                "%s: damaged at byte %d: meta data: %s" % (name, HEADER_BYTES, e)
            ) from e
        self.shape = SpoolShape(meta_bytes, width, caps, stage_slots, rows)
        expected = self.shape.words(meta_bytes)
        if (
            expected != words[: len(expected)]
            or self.layout.width != width
            or sources != len(caps)
            or rows < 0
        ):
            raise SpoolError("%s: damaged at byte 8: sizes do not fit together" % name)
        if self.shape.size != len(data):
            what = "truncated" if self.shape.size > len(data) else "damaged"
            raise SpoolError("%s: %s: %d of %d bytes" % (name, what, len(data), self.shape.size))

    def events(self) -> list:
        """The event log, up to its first damaged entry; in place of that one an event of type "damaged" says so."""
        out: list = []
        at = self.shape.events_at
        end = at + min(_USED.unpack_from(self.data, _USED_AT)[0], EVENTS_BYTES)
        while at + _FRAME.size <= end:
            size, crc = _FRAME.unpack_from(self.data, at)
            body = bytes(self.data[at + _FRAME.size : at + _FRAME.size + size])
            event = (
                None if at + _FRAME.size + size > end or zlib.crc32(body) != crc else _event(body)
            )
            if event is None:
                out.append(
                    {
                        "type": "damaged",
                        "text": "%s: damaged at byte %d: event log" % (self.name, at),
                    }
                )
                break
            out.append(event)
            at += (_FRAME.size + size + 7) // 8 * 8
        return out

    def rows(self) -> "Iterator[tuple]":
        """(tick, offset of the row in ``data``) of every whole row, in no order."""
        for slot in range(self.shape.rows):
            at = self.shape.rows_at + slot * self.shape.row_size
            stamp, crc = struct.unpack_from("<qq", self.data, at)
            if stamp > 0 and row_crc(stamp, self.data[at + 16 : at + self.shape.row_size]) == crc:
                yield stamp - STAMP_SHIFT, at

    def staged(self) -> "Iterator[tuple]":
        """(tick, offset of the slot in ``data``) of every sample that was read but not decoded."""
        for slot in range(self.shape.stage_slots):
            at = self.shape.stage_at + slot * self.shape.stage_size
            stamp, crc = struct.unpack_from("<qq", self.data, at)
            if stamp > 0 and row_crc(stamp, self.data[at + 16 : at + self.shape.stage_head]) == crc:
                yield stamp - STAMP_SHIFT, at


def _event(body: bytes) -> "Any":
    """The event that these bytes are; None when they are none, whatever their checksum says."""
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def open_locked(path: str) -> tuple:
    """(descriptor, size) of a file that is ours and that no process writes; it is locked as long as the descriptor lives."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise SpoolError("%s: %s" % (path, e.strerror)) from e
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.getuid():
            raise SpoolError("%s: not a regular file of this user" % path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise SpoolError("%s: its run is still alive" % path) from e
    except BaseException:
        os.close(fd)
        raise
    return fd, info.st_size


def open_reader(path: str) -> "SpoolReader":
    """Map a spool read-only. SpoolError when a process still writes it, when it is a symlink, or not ours."""
    fd, size = open_locked(path)
    try:
        if size < HEADER_BYTES:
            raise SpoolError("%s: truncated: %d bytes" % (path, size))
        mm = mmap.mmap(
            fd, size, mmap.MAP_SHARED, mmap.PROT_READ
        )  # it duplicates fd: the lock lives as long as the map
    finally:
        os.close(fd)
    return SpoolReader(memoryview(mm), path)
