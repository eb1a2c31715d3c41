"""Write to stderr without waiting for its reader: a full or closed pipe holds up no job.

What is written goes into a bounded queue, from which a thread writes. Text for which there is no
room is dropped, and its lines are counted.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_QUEUE_BYTES = 1 << 20
_CHUNK_BYTES = 4096  #: PIPE_BUF: so much can be written to a pipe that is writable (pipe(7))
_FLUSH_S = 0.5  #: for what was written to be on its way
_LEAVE_S = 5.0  #: the same at the end, from the last progress on


class QueuedStderr(io.TextIOBase):
    """Text for the file descriptor ``fd``. No method raises an OSError, or blocks for long."""

    def __init__(self, fd: int = _STDERR) -> None:
        self._fd = fd
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._bytes = 0  # in the queue, with what is being written
        self._dropped = 0  # lines since the last report of it
        self._broken = False  # nobody reads it any more
        self._stalled = False  # nobody has read it for a while
        self._thread: threading.Thread | None = None
        self._threadless = False

    # ---- as of a text stream
    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(sys.__stderr__, "encoding", None) or "utf-8"

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Queue ``text``."""
        data = text.encode(self.encoding, "backslashreplace")
        with self._changed:
            if self._broken or not data:
                return len(text)
            if self._bytes + len(data) > _QUEUE_BYTES:
                self._dropped += max(1, data.count(b"\n"))
                return len(text)
            if self._dropped:
                data = self._report() + data
            self._queue += [data[i : i + _CHUNK_BYTES] for i in range(0, len(data), _CHUNK_BYTES)]
            self._bytes += len(data)
            self._changed.notify_all()
        self._start()
        return len(text)

    def flush(self) -> None:
        """Wait a moment until everything is written, unless it is known that nobody reads."""
        if not self._stalled:
            self._stalled = not self.drain(_FLUSH_S)

    def drain(self, limit_s: float) -> bool:
        """Wait until everything is written; False when nothing was for ``limit_s``."""
        if self._threadless:
            self._write_what_fits()
        with self._changed:
            left = self._bytes
            until = time.monotonic() + limit_s
            while self._bytes and not self._broken:
                if self._threadless or not self._changed.wait(until - time.monotonic()):
                    return False
                if self._bytes < left:
                    left = self._bytes
                    until = time.monotonic() + limit_s
        return True

    # ---- writing
    def _report(self) -> bytes:
        count = self._dropped
        self._dropped = 0
        return b"mpi_collector: %d lines of output were dropped: not read in time\n" % count

    def _start(self) -> None:
        """Start the thread, at the first text; where there can be none, write what fits."""
        if self._thread is None and not self._threadless:
            thread = threading.Thread(target=self._work, name="stderr", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError:  # a limit on processes
                self._threadless = True
        if self._threadless:
            self._write_what_fits()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                data = self._queue[0]
            self._write(data)
            with self._changed:
                self._queue.popleft()
                self._bytes -= len(data)
                self._stalled = False
                if not self._queue and self._dropped:
                    self._queue.append(self._report())
                    self._bytes += len(self._queue[0])
                self._changed.notify_all()

    def _write_what_fits(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._queue and (self._broken or poll.poll(0)):
            data = self._queue.popleft()
            self._bytes -= len(data)
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write a chunk, however long that takes; nothing more once nobody can read it."""
        while data and not self._broken:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody has made it so; wait as if it were not
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()
            except OSError:  # closed: EPIPE, EIO of a terminal, EBADF; or full: ENOSPC
                self._broken = True


@contextmanager
def queued_stderr() -> Iterator[None]:
    """Make sys.stderr a QueuedStderr in the block, unless it has been redirected already."""
    before = sys.stderr
    try:
        redirected = before.fileno() != _STDERR
    except (OSError, ValueError):
        redirected = True
    if redirected:
        yield
        return
    queued = QueuedStderr()
    sys.stderr = queued
    try:
        yield
    finally:
        queued.drain(_LEAVE_S)
        sys.stderr = before
