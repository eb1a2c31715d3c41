"""Read a spool that no process writes."""

import errno
import fcntl
import json
import mmap
import os
import stat
import zlib

from ..errors import SpoolError
from ..row.layout import Layout
from .format import (
    HEADER_BYTES,
    VERSION,
    SpoolHeader,
    SpoolShape,
    header_offset,
    is_whole,
    read_events,
    tick_at,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from .format import Buffer

#: what parsing a damaged or foreign JSON document may raise
_NOT_META = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class SpoolReader:
    """Reader of a spool that nobody writes. SpoolError when it is no spool or damaged beyond use.

    ``data``: the whole spool; ``name``: what messages call it; ``holder``: an open file that keeps
    the spool locked where ``data`` does not.
    """

    def __init__(self, data: "Buffer", name: str, holder: object = None) -> None:
        self.data = data
        self.name = name
        self.holder = holder
        try:
            header = SpoolHeader(data)
        except ValueError as e:
            raise SpoolError("%s: not a spool of this program" % name) from e
        if header.version != VERSION:
            raise SpoolError(
                "%s: spool version %d, this program reads %d" % (name, header.version, VERSION)
            )
        self.meta: "dict[str, Any]" = self._read_meta(header)
        try:
            self.layout = Layout.from_dict(self.meta["layout"])
            caps = [int(c) for c in self.meta["raw_bytes"]]
        except _NOT_META as e:
            raise self._damaged(HEADER_BYTES, "meta data: %s" % e) from e
        self.shape = SpoolShape(
            header.meta_bytes, header.width, caps, header.stage_slots, header.rows
        )
        if not header.fits(self.shape) or self.layout.width != header.width:
            raise self._damaged(header_offset("version"), "sizes do not fit together")
        if self.shape.size != len(data):
            what = "truncated" if self.shape.size > len(data) else "damaged"
            raise SpoolError("%s: %s: %d of %d bytes" % (name, what, len(data), self.shape.size))

    def _read_meta(self, header: "SpoolHeader") -> "dict[str, Any]":
        size = header.meta_bytes
        if not 0 < size <= len(self.data) - HEADER_BYTES:
            raise self._damaged(header_offset("meta_bytes"), "meta of %d bytes" % size)
        doc = bytes(self.data[HEADER_BYTES : HEADER_BYTES + size])
        if zlib.crc32(doc) != header.meta_crc:
            raise self._damaged(HEADER_BYTES, "checksum of the meta data")
        try:
            meta = json.loads(doc.decode())
            return dict(meta)
        except _NOT_META as e:
            raise self._damaged(HEADER_BYTES, "meta data: %s" % e) from e

    def _damaged(self, at: int, what: str) -> "SpoolError":
        return SpoolError("%s: damaged at byte %d: %s" % (self.name, at, what))

    def events(self) -> "list[dict[str, Any]]":
        """Return the event log up to its first damaged entry.

        In place of that entry an event of type "damaged" names the file and the place.
        """
        out: "list[dict[str, Any]]" = []
        for at, body in read_events(self.data, self.shape):
            event = None if body is None else _event(body)
            if event is None:
                text = "%s: damaged at byte %d: event log" % (self.name, at)
                out.append({"type": "damaged", "text": text})
                break
            out.append(event)
        return out

    def rows(self) -> "Iterator[tuple[int, int]]":
        """Yield (tick, offset of the row in ``data``) of every whole row, in no order."""
        for slot in range(self.shape.rows):
            at = self.shape.row_offset(slot)
            if is_whole(self.data, at, self.shape.row_size):
                yield tick_at(self.data, at), at

    def staged(self) -> "Iterator[tuple[int, int]]":
        """Yield (tick, offset of the stage slot in ``data``) of every undecoded sample."""
        for slot in range(self.shape.stage_slots):
            at = self.shape.stage_offset(slot)
            if is_whole(self.data, at, self.shape.stage_head):
                yield tick_at(self.data, at), at


def _event(body: bytes) -> "dict[str, Any] | None":
    """Return the event in ``body``; None when it is none, whatever its checksum says."""
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def open_locked(path: str) -> int:
    """Return a descriptor of a regular file of this user that no process writes.

    The file is locked as long as the descriptor, or a map of it, lives. SpoolError otherwise.
    """
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
    return fd


def open_reader(path: str) -> "SpoolReader":
    """Map a spool read-only.

    SpoolError when a process still writes it, when it is a symlink, or not ours.
    """
    fd = open_locked(path)
    try:
        size = os.fstat(fd).st_size
        if size < HEADER_BYTES:
            raise SpoolError("%s: truncated: %d bytes" % (path, size))
        # the map duplicates the descriptor: the lock lives as long as the map
        mm = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(fd)
    return SpoolReader(memoryview(mm), path)
