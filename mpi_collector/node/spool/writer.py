"""Write a spool."""

import json
import mmap
import os
import threading

from ..errors import SpoolError
from ..row.layout import Layout
from .directory import remove_spool
from .format import SpoolShape, write_event, write_header, write_record
from .lock import SpoolLock
from .reader import SpoolReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARKS_BYTES = 64 * 1024  #: of the event log that marks may use; further ones go into their file
_END_BYTES = 4096  #: of the event log that are kept for the events of the end
_OF_THE_END = ("aborted", "dropped", "end")  #: types of these
_ROWS_MIN = 16  #: a spool of fewer rows is refused, unless fewer were asked for


class Spool:
    """A spool that this process writes, made by ``create``.

    ``path`` is None for a spool in plain memory. ``events_used``: bytes of the event log that are
    whole; ``events_lost``: events other than marks that found it full.
    """

    def __init__(
        self, mm: "mmap.mmap", shape: "SpoolShape", path: "str | None", lock: "SpoolLock | None"
    ) -> None:
        self.mm = mm
        self.shape = shape
        self.path = path
        self.view = memoryview(mm)
        self.events_used: int = 0
        self.events_lost: int = 0
        self._marks_used = 0  # bytes of the event log
        self._lock = lock
        # devices come from the sampling thread, clock measurements and marks from others
        self._events_lock = threading.Lock()

    @classmethod
    def create(
        cls,
        directory: "int | None",
        name: str,
        meta: "dict[str, Any]",
        caps: "list[int]",
        stage_slots: int,
        max_rows: int,
        max_bytes: "int | None" = None,
    ) -> "Spool":
        """Allocate a spool of ``max_rows`` rows, or of as many as ``max_bytes`` allows.

        ``directory``: descriptor of the directory, None for plain memory. All pages are allocated
        now: touching a sparse map on a full tmpfs would kill the process. SpoolError when that
        fails or when fewer than 16 rows fit.
        """
        doc = json.dumps(meta).encode()
        width = Layout.from_dict(meta["layout"]).width
        rows = _rows_within(SpoolShape(len(doc), width, caps, stage_slots, 0), max_rows, max_bytes)
        shape = SpoolShape(len(doc), width, caps, stage_slots, rows)
        if directory is None:
            spool = cls(_allocate_memory(shape.size), shape, None, None)
        else:
            spool = _create_file(cls, directory, name, shape)
        write_header(spool.mm, shape, doc)
        return spool

    def event(self, doc: "dict[str, Any]") -> bool:
        """Append to the event log; return False when there is no room for it.

        Marks have a part of their own, so that they leave room for devices and clocks, and the
        events of the end have theirs.
        """
        body = json.dumps(doc).encode()
        is_mark = doc["type"] == "mark"
        spared = 0 if doc["type"] in _OF_THE_END else _END_BYTES
        with self._events_lock:
            if is_mark and self._marks_used + len(body) > MARKS_BYTES:
                return False
            before = self.events_used
            self.events_used = write_event(self.mm, self.shape, before, body, spared)
            written = self.events_used - before
            if is_mark:
                self._marks_used += written
            elif not written:
                self.events_lost += 1
        return written > 0

    def write_row(self, slot: int, tick: int, payload: bytes) -> None:
        """Write a row. ``payload``: all of it behind stamp and checksum."""
        shape = self.shape
        at = shape.rows_at + slot * shape.row_size
        write_record(self.mm, at, shape.row_size, tick, payload)

    def reader(self) -> "SpoolReader":
        """Return a reader of what is in the spool; valid only while nobody writes."""
        return SpoolReader(self.view, self.path or "(memory)")

    def close(self, remove: bool = False) -> None:
        """Release lock and memory; ``remove`` deletes the file and directories left empty."""
        if remove and self.path:
            remove_spool(self.path)
        if self._lock is not None:
            self._lock.release()
        try:
            self.view.release()
            self.mm.close()
        except BufferError:  # a view of the rows is still in use; the map goes with it
            pass


def least_rows(max_samples: int) -> int:
    """Return how many rows, without that of the stop, a table of ``max_samples`` has at least."""
    return min(_ROWS_MIN, max_samples + 1) - 1


def _rows_within(empty: "SpoolShape", max_rows: int, max_bytes: "int | None") -> int:
    """Return how many rows fit into ``max_bytes``; ``empty``: the shape without rows."""
    if max_bytes is None:
        return max_rows
    rows = min(max_rows, (max_bytes - empty.size) // empty.row_size)
    least = min(_ROWS_MIN, max_rows)
    if rows < least:
        needed = empty.size + least * empty.row_size
        raise SpoolError(
            "a spool of %d rows needs %.1f MB, and it may have %.3g MB (--max-spool-mb, --sources)"
            % (least, needed / 1e6, max(max_bytes, 0) / 1e6)
        )
    return rows


def _allocate_memory(size: int) -> "mmap.mmap":
    mm = mmap.mmap(-1, size)
    for at in range(0, size, mmap.PAGESIZE):
        mm[at] = 0
    return mm


def _create_file(spool: "type[Spool]", directory: int, name: str, shape: "SpoolShape") -> "Spool":
    """Create, lock, allocate and map the file ``name``; nothing is left when one of that fails."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, 0o600, dir_fd=directory)
    except OSError as e:
        raise SpoolError("cannot make spool %s: %s" % (name, e.strerror)) from e
    lock = None
    try:
        lock = SpoolLock(directory, name)
        os.posix_fallocate(fd, 0, shape.size)
        # populated now, so that no sample pays for a page fault
        populate = getattr(mmap, "MAP_POPULATE", 0x8000)  # Python 3.10
        mm = mmap.mmap(fd, shape.size, mmap.MAP_SHARED | populate)
        path = os.readlink("/proc/self/fd/%d" % fd)
    except (OSError, ValueError) as e:
        if lock is not None:
            lock.release()
        os.unlink(name, dir_fd=directory)
        raise SpoolError("cannot allocate %d bytes of spool: %s" % (shape.size, e)) from e
    finally:
        os.close(fd)
    return spool(mm, shape, path, lock)
