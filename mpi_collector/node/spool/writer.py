"""Write a spool."""

import json
import mmap
import os
import struct
import threading
import zlib

from ..errors import SpoolError
from ..row.layout import Layout
from .directory import SpoolLock, remove_spool
from .format import (
    _FRAME,
    _HEAD,
    _USED,
    _USED_AT,
    EVENTS_BYTES,
    MAGIC,
    STAMP_SHIFT,
    SpoolShape,
    row_crc,
)
from .reader import SpoolReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Spool:
    """A spool that is written. Make one with ``create``; ``path`` is None when it is plain memory."""

    def __init__(self, mm: "mmap.mmap", shape: "SpoolShape", path: "Any", lock: "Any") -> None:
        self.mm, self.shape, self.path, self._lock = mm, shape, path, lock
        self.view = memoryview(mm)
        self._row_stamp = struct.Struct("<q").pack_into
        self._events_used = 0
        self._events_lock = (
            threading.Lock()
        )  # the sampling thread tells of devices, others of clocks and marks
        self.events_lost = 0

    @classmethod
    def create(
        cls,
        directory: "Any",
        name: str,
        meta: dict,
        caps: list,
        stage_slots: int,
        max_rows: int,
        max_bytes: "Any" = None,
    ) -> "Spool":
        """Allocate a spool of up to ``max_rows`` rows in the directory descriptor ``directory`` (None: plain memory).

        Every page is allocated now: touching a sparse map on a full tmpfs would kill the process. The rows are fewer when
        ``max_bytes`` asks for it. SpoolError when not even 16 rows fit.
        """
        doc = json.dumps(meta).encode()
        fixed = SpoolShape(len(doc), Layout.from_dict(meta["layout"]).width, caps, stage_slots, 0)
        rows = (
            max_rows
            if max_bytes is None
            else min(max_rows, (max_bytes - fixed.size) // fixed.row_size)
        )
        if rows < min(16, max_rows):
            raise SpoolError(
                "%d bytes of spool hold %d rows of %d bytes"
                % (max_bytes or 0, max(rows, 0), fixed.row_size)
            )
        shape = SpoolShape(len(doc), fixed.width, caps, stage_slots, rows)
        if directory is None:
            lock, path, mm = None, None, mmap.mmap(-1, shape.size)
            for at in range(0, shape.size, mmap.PAGESIZE):
                mm[at] = 0
        else:
            lock, path, mm = cls._create_file(directory, name, shape.size)
        spool = cls(mm, shape, path, lock)
        mm[shape.meta_at : shape.meta_at + len(doc)] = doc
        words = shape.words(len(doc)) + (zlib.crc32(doc),)
        _HEAD.pack_into(mm, 0, MAGIC, *(words + (0,) * (16 - len(words))))
        return spool

    @staticmethod
    def _create_file(directory: int, name: str, size: int) -> tuple:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o600, dir_fd=directory)
        except OSError as e:
            raise SpoolError("cannot make spool %s: %s" % (name, e.strerror)) from e
        lock = None
        try:
            lock = SpoolLock(directory, name)
            os.posix_fallocate(fd, 0, size)
            # populated now, so that no sample pays for a page fault
            mm = mmap.mmap(fd, size, mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0x8000))
            path = os.readlink("/proc/self/fd/%d" % fd)
        except (OSError, ValueError) as e:
            if lock is not None:
                lock.release()
            os.unlink(name, dir_fd=directory)
            raise SpoolError("cannot allocate %d bytes of spool: %s" % (size, e)) from e
        finally:
            os.close(fd)
        return lock, path, mm

    # ---- events
    def event(self, doc: dict) -> bool:
        """Append to the event log. False (and counted) when it is full."""
        body = json.dumps(doc).encode()
        with self._events_lock:
            at = self.shape.events_at + self._events_used
            used = self._events_used + (_FRAME.size + len(body) + 7) // 8 * 8
            if used > EVENTS_BYTES:
                self.events_lost += 1
                return False
            self.mm[at + _FRAME.size : at + _FRAME.size + len(body)] = body
            _FRAME.pack_into(self.mm, at, len(body), zlib.crc32(body))
            self._events_used = used
            _USED.pack_into(self.mm, _USED_AT, used)
        return True

    # ---- rows
    def write_row(self, slot: int, tick: int, payload: bytes) -> None:
        """``payload``: everything of the row behind stamp and checksum."""
        at = self.shape.rows_at + slot * self.shape.row_size
        stamp = tick + STAMP_SHIFT
        self._row_stamp(self.mm, at, 0)
        self.mm[at + 16 : at + self.shape.row_size] = payload
        self._row_stamp(self.mm, at + 8, row_crc(stamp, payload))
        self._row_stamp(self.mm, at, stamp)

    @property
    def events_used(self) -> int:
        """Bytes of the event log that are whole."""
        return self._events_used

    used_at = _USED_AT  #: where the header says the same

    def sync_name(self) -> str:
        return str(self.path) if self.path else "(memory)"

    def reader(self) -> "SpoolReader":
        """What is in the spool now; call it only while nobody writes."""
        return SpoolReader(self.view, self.sync_name())

    def close(self, remove: bool = False) -> None:
        """Give up the lock and the memory; ``remove`` deletes the file and, if it was the last, its run directory."""
        if remove and self.path:
            remove_spool(self.path)
        if self._lock is not None:
            self._lock.release()
        try:
            self.view.release()
            self.mm.close()
        except BufferError:  # somebody still looks at the rows; the map goes when they do
            pass
