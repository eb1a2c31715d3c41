"""The spool: a file on tmpfs that holds a node's recording while it is made.

Layout of the file (all numbers little-endian int64, every part on an 8-byte boundary)::

    header   4096 bytes   magic, version, where the other parts are, how much of the event log is used
    meta     JSON         run, host, layout; written once before the first sample
    events   frames       length, CRC-32, JSON: the grid, clock measurements, new devices, marks, the end
    stage    slots        stamp, CRC-32 of the header, times, length of every text; the raw texts of a sample, back to back
    rows     records      stamp, CRC-32 of the rest, times, per-source times and status, values

A stamp (tick + 2, so that 0 means empty) is written last: a slot or row that was being written when its process died has
none, and its neighbours are whole. The writer holds a flock on the file; it goes away with the process, however that
dies, so a spool that can be locked has no living writer. Processes that the writer forked do not hold it.
"""

import errno
import fcntl
import json
import mmap
import os
import stat
import struct
import threading
import time
import weakref
import zlib

from .layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

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
_LOOKS = 20  #: so often a lock is tried: who lists spools (salvage.held) has every one for a moment

_HEAD = struct.Struct("<8s16q")
_USED = struct.Struct("<q")
_USED_AT = 512  # apart from what is written once
_FRAME = struct.Struct("<II")


class SpoolError(Exception):
    """A spool that cannot be made or read; the text names the file and the reason."""


class Shape:
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


class Lock:
    """The flock that says that a spool's writer lives, on a descriptor of its own: the one that is mapped is duplicated by
    the map, and a forked child would keep both for as long as it lives. OSError when the file cannot be locked.
    """

    def __init__(self, directory: int, name: str) -> None:
        self._fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        for left in range(_LOOKS, -1, -1):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    os.close(self._fd)
                    raise
                time.sleep(0.01)
        _locks.add(self)

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_locks: "weakref.WeakSet" = weakref.WeakSet()


def _not_ours() -> None:
    for lock in list(_locks):
        lock.release()


if hasattr(os, "register_at_fork"):  # Python 3.7
    os.register_at_fork(after_in_child=_not_ours)


class Spool:
    """A spool that is written. Make one with ``create``; ``path`` is None when it is plain memory."""

    def __init__(self, mm: "mmap.mmap", shape: "Shape", path: "Any", lock: "Any") -> None:
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
        fixed = Shape(len(doc), Layout.from_dict(meta["layout"]).width, caps, stage_slots, 0)
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
        shape = Shape(len(doc), fixed.width, caps, stage_slots, rows)
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
            lock = Lock(directory, name)
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


def row_crc(stamp: int, payload: "Any") -> int:
    return zlib.crc32(payload, (stamp ^ stamp >> 32) & 0xFFFFFFFF)


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
        self.shape = Shape(meta_bytes, width, caps, stage_slots, rows)
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


# ---- the directories


def open_run_directory(spool_dir: str, run: str) -> int:
    """Descriptor of ``spool_dir/mpi_collector-UID/run``, made 0700 if missing, never through a symlink.

    SpoolError when somebody else owns one of them or others may enter.
    """
    for left in range(_LOOKS, -1, -1):
        path = spool_dir
        try:
            fd = os.open(spool_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for name in (user_directory(), run):
                path = os.path.join(path, name)
                fd = _enter(fd, name, path)
            return fd
        except OSError as e:
            if (
                left and e.errno == errno.ENOENT and path != spool_dir
            ):  # another run was the last one, and has just ended
                continue
            raise SpoolError("%s: %s" % (path, e.strerror)) from e
    raise AssertionError("not reached")


def _enter(fd: int, name: str, path: str) -> int:
    """A directory in ``fd``, which is closed."""
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            pass
        inner = os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd
        )
    finally:
        os.close(fd)
    info = os.fstat(inner)
    if info.st_uid != os.getuid() or info.st_mode & 0o077:
        os.close(inner)
        raise SpoolError("%s: must belong to this user alone (owner and mode 0700)" % path)
    return inner


def user_directory() -> str:
    return "mpi_collector-%d" % os.getuid()


def remove_spool(path: str) -> None:
    """Delete a spool, and the directories of its run and of the user when they are empty then."""
    run = os.path.dirname(path)
    for remove, what in ((os.unlink, path), (os.rmdir, run), (os.rmdir, os.path.dirname(run))):
        try:
            remove(what)
        except OSError:  # gone already, or something of others is still in the directory
            pass
