"""A copy of a spool on another host, for the day its own host loses power.

The writer's side says what of its spool has changed since the last time, as pieces of the file; the other side writes
them into a file of the same layout, which is then read like any spool. Torn rows are left out by their checksums.
"""

import array
import mmap
import os
import struct
import zlib

from ..errors import SpoolError
from .directory import SpoolLock, remove_spool
from .format import (
    FREE,
    HEADER_BYTES,
    StageHeader,
    events_used_piece,
    free_piece,
    is_whole,
    stamp_at,
)
from .reader import SpoolReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from .format import SpoolShape

AT_ONCE = 4 << 20  #: plain bytes of one change set; the rest comes with the next
SIZE_MAX = 1 << 40
_PIECE = struct.Struct("<qq")


class Changes:
    """What of ``spool`` changed. Only in the process that writes it; ``take`` never waits for the sampling thread."""

    def __init__(self, spool: "Any") -> None:
        self._spool = spool
        self._number = 0
        self._forget()

    def _forget(self) -> None:
        shape = self._spool.shape
        self._sent = array.array("q", bytes(8 * shape.rows))
        self._staged = array.array("q", bytes(8 * shape.stage_slots))
        self._events = -1

    def take(self, got: int) -> tuple:
        """(document, compressed pieces). ``got``: number of the last set that arrived (0: none); another one than the last
        sent means that something was lost on the way, and everything is sent again."""
        if got != self._number:
            self._forget()
        self._number = got + 1
        pieces: list = []
        held: int = 0
        more: bool = False
        for at, data in self._pieces():
            pieces += [_PIECE.pack(at, len(data)), data]
            held += len(data)
            if held > AT_ONCE:
                more = True
                break
        body = b"".join(pieces)
        doc = {
            "number": self._number,
            "size": self._spool.shape.size,
            "plain": len(body),
            "more": more,
        }
        return doc, zlib.compress(body, 1)

    def _pieces(self) -> "Iterator[tuple]":
        view, shape = self._spool.view, self._spool.shape
        if self._events < 0:  # what is written once
            yield 0, bytes(view[: shape.events_at])
            self._events = 0
        used = self._spool.events_used
        if used > self._events:
            yield (
                shape.events_at + self._events,
                bytes(view[shape.events_at + self._events : shape.events_at + used]),
            )
            yield events_used_piece(used)
            self._events = used
        for slot in range(shape.rows):
            at = shape.row_offset(slot)
            stamp = stamp_at(view, at)
            if stamp != self._sent[slot] and stamp > FREE:
                row = bytes(view[at : at + shape.row_size])
                # the sampling thread may write it at this moment: check the copy
                if stamp_at(row, 0) == stamp and is_whole(row, 0, len(row)):
                    yield at, row
                    self._sent[slot] = stamp
        for slot in range(shape.stage_slots):
            for piece in self._stage(view, shape, slot):
                yield piece

    def _stage(
        self, view: memoryview, shape: "SpoolShape", slot: int
    ) -> "Iterator[tuple[int, bytes]]":
        """Yield the texts and the header of a sample that is not decoded yet."""
        base = shape.stage_offset(slot)
        head = bytes(view[base : base + shape.stage_head])
        stamp = stamp_at(head, 0)
        if stamp == self._staged[slot]:
            return
        if is_whole(head, 0, len(head)):
            at = base + shape.stage_head
            sizes = zip(StageHeader(head, 0, shape).sizes, shape.caps)
            used = sum(size for size, cap in sizes if 0 <= size <= cap)
            yield at, bytes(view[at : at + used])
            yield base, head
        elif stamp == FREE:
            yield base, free_piece()
        self._staged[slot] = stamp


class Replica:
    """The copy, in the directory descriptor ``directory``. SpoolError when it cannot be made, kept or read."""

    def __init__(self, directory: int, name: str, size: int) -> None:
        if not HEADER_BYTES < size < SIZE_MAX:
            raise SpoolError("a spool of %d bytes" % size)
        self.size, self.number, self.name = size, 0, name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(name, flags, 0o600, dir_fd=directory)
            self._lock = SpoolLock(
                directory, name
            )  # not on this descriptor: the map of a reader would keep it
            os.ftruncate(self._fd, size)
        except OSError as e:
            raise SpoolError("cannot make the copy %s: %s" % (name, e.strerror)) from e
        self.path = os.readlink("/proc/self/fd/%d" % self._fd)

    def apply(self, doc: dict, blob: "Any") -> None:
        """Write a change set. What is not one of this spool is refused; a full tmpfs raises."""
        try:
            for at, data in pieces_of(doc, blob, self.size, self.name):
                # by write, never by map: a full tmpfs answers a write with an error and a touch with death
                os.pwrite(self._fd, data, at)
        except OSError as e:
            raise SpoolError("%s: %s" % (self.name, e.strerror)) from e
        self.number = doc["number"]

    def reader(self) -> "SpoolReader":
        mm = mmap.mmap(self._fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ)
        return SpoolReader(memoryview(mm), self.path)

    def close(self, remove: bool) -> None:
        if remove:
            remove_spool(self.path)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.release()


def pieces_of(doc: dict, blob: "Any", size: int, name: str) -> "Iterator[tuple]":
    """(offset, bytes) of a change set of a spool of ``size`` bytes. SpoolError when it is none, or damaged."""
    plain = int(doc["plain"])
    if doc["size"] != size or not 0 <= plain <= 2 * AT_ONCE + size:
        raise SpoolError("%s: a change set of another spool" % name)
    try:
        body = memoryview(zlib.decompressobj().decompress(bytes(blob), plain + 1))
    except zlib.error as e:
        raise SpoolError("%s: a damaged change set: %s" % (name, e)) from e
    if len(body) != plain:
        raise SpoolError("%s: a change set of %d instead of %d bytes" % (name, len(body), plain))
    at = 0
    while at < plain:
        if plain - at < _PIECE.size:
            raise SpoolError("%s: a damaged change set: %d bytes at its end" % (name, plain - at))
        offset, length = _PIECE.unpack_from(body, at)
        at += _PIECE.size
        if offset < 0 or length < 0 or offset + length > size or at + length > plain:
            raise SpoolError(
                "%s: a piece at %d of %d bytes is outside of it" % (name, offset, length)
            )
        yield offset, body[at : at + length]
        at += length
