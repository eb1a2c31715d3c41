"""Replicas: copies of a spool on another host, in case its own host loses power.

The writer's process collects what has changed in its spool since the last time, as pieces of the
file (``Changes``). The other side writes them into a file of the same layout (``Replica``), which
is read like any spool. Checksums leave torn rows out.
"""

import array
import mmap
import os
import struct
import zlib

from ..errors import SpoolError
from ..forms import is_file_name
from .directory import remove_spool
from .format import (
    FREE,
    HEADER_BYTES,
    StageHeader,
    events_used_piece,
    free_piece,
    is_whole,
    stamp_at,
)
from .lock import SpoolLock
from .reader import SpoolReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from .format import Buffer, SpoolShape
    from .writer import Spool

    #: (offset in the spool, bytes to write there)
    Piece = tuple[int, Buffer]

AT_ONCE = 4 << 20  #: plain bytes of one change set, about; the rest comes with the next
SIZE_MAX = 1 << 40  #: bytes of a spool that is replicated, at most
_PIECE = struct.Struct("<qq")


class Changes:
    """Change sets of ``spool``, in the process that writes it.

    ``take`` never waits for the sampling thread.
    """

    def __init__(self, spool: "Spool") -> None:
        self._spool = spool
        self._number = 0
        self._forget()

    def _forget(self) -> None:
        """Take everything as not sent."""
        shape = self._spool.shape
        self._sent = array.array("q", bytes(8 * shape.rows))
        self._staged = array.array("q", bytes(8 * shape.stage_slots))
        self._events = -1

    def take(self, got: int) -> "tuple[dict[str, Any], bytes]":
        """Return the next change set: document, deflated pieces.

        ``got``: number of the last set that arrived, 0 for none. If it is not that of the last set
        taken, one was lost: everything is sent again.
        """
        if got != self._number:
            self._forget()
        self._number = got + 1
        pieces: "list[Buffer]" = []
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

    def _pieces(self) -> "Iterator[Piece]":
        view = self._spool.view
        shape = self._spool.shape
        if self._events < 0:  # what is written once
            yield 0, bytes(view[: shape.events_at])
            self._events = 0
        used = self._spool.events_used
        if used > self._events:
            begin = shape.events_at + self._events
            yield begin, bytes(view[begin : shape.events_at + used])
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

    def _stage(self, view: memoryview, shape: "SpoolShape", slot: int) -> "Iterator[Piece]":
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
    """The copy of a spool of ``size`` bytes: file ``name`` in directory descriptor ``directory``.

    ``number``: that of the last change set applied. SpoolError when it cannot be made, written or
    read.
    """

    def __init__(self, directory: int, name: str, size: int) -> None:
        if not HEADER_BYTES < size < SIZE_MAX:
            raise SpoolError("a spool of %d bytes" % size)
        if not is_file_name(name):
            raise SpoolError("%r is not the name of a spool" % name)
        self.size = size
        self.number: int = 0
        self.name = name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(name, flags, 0o600, dir_fd=directory)
            # not on this descriptor: the map of a reader would keep the lock
            self._lock = SpoolLock(directory, name)
            os.ftruncate(self._fd, size)
        except OSError as e:
            raise SpoolError("cannot make the copy %s: %s" % (name, e.strerror)) from e
        self.path = os.readlink("/proc/self/fd/%d" % self._fd)

    def apply(self, doc: "dict[str, Any]", blob: "Buffer") -> None:
        """Write a change set.

        SpoolError for one of another spool, a damaged one, or a full tmpfs.
        """
        try:
            for at, data in pieces_of(doc, blob, self.size, self.name):
                # not by map: on a full tmpfs a write fails, but touching a page kills the process
                os.pwrite(self._fd, data, at)
        except OSError as e:
            raise SpoolError("%s: %s" % (self.name, e.strerror)) from e
        self.number = doc["number"]

    def reader(self) -> "SpoolReader":
        """Return a reader of the copy as it is now."""
        mm = mmap.mmap(self._fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ)
        return SpoolReader(memoryview(mm), self.path)

    def close(self, remove: bool) -> None:
        """Close and unlock the file; ``remove`` deletes it and directories left empty."""
        if remove:
            remove_spool(self.path)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.release()


def pieces_of(
    doc: "dict[str, Any]", blob: "Buffer", size: int, name: str
) -> "Iterator[tuple[int, memoryview]]":
    """Yield (offset, bytes) of a change set of the spool ``name`` of ``size`` bytes.

    SpoolError for a change set of another spool or a damaged one.
    """
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
