"""Messages between this process and its keeper over a socket, each wait of this process bounded."""

from __future__ import annotations

import errno
import os
import pickle
import select
import socket
import struct
from collections.abc import Callable
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.pid_stat import parse_pid_stat
from mpi_collector.transport.deadline import HURRIED_S

_LENGTH = struct.Struct("<Q")
_READ_BYTES = 1 << 18
_SLICE_MS = 200  #: between two looks at whether the other process makes progress
_NS = 1_000_000_000

Message = tuple[Any, ...]


class MessageReader:
    """Splits a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now."""
        self._buffer += data
        found = []
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            with memoryview(self._buffer) as view:
                found.append(pickle.loads(view[_LENGTH.size : end]))
            del self._buffer[:end]
        return found


def encoded(message: Message) -> bytes:
    """Return a message as it goes over the socket. Both ends are this program: pickled."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process in clock ticks, -1 when it is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            stat = parse_pid_stat(f.read())
    except (OSError, ValueError):
        return -1
    return stat.utime + stat.stime


class BoundedPipe:
    """This process's end of the socket.

    pid: the process at the other end. limit_s: for how long it may make no progress, which is to
    read, to answer or to use CPU time. OSError of a wait: ETIMEDOUT when the limit is over, EPIPE
    when the other process has ended. hurried: asked in each wait; once it is true the limit is 2 s.
    """

    def __init__(self, end: socket.socket, pid: int, limit_s: float) -> None:
        end.setblocking(False)
        self._socket = end
        self._pid = pid
        self._limit_s = limit_s
        self._reader = MessageReader()
        self._arrived: list[Message] = []
        self.hurried: Callable[[], bool] = lambda: False

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Hand over a message. OSError: see the class."""
        data = memoryview(encoded(message))
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as e:
                raise _ended() from e

    def receive(self, limit_s: float | None = None) -> Message:
        """Return the next message. OSError: see the class; ``limit_s`` in place of its limit."""
        while not self._arrived:
            if not self._read():
                self._wait(select.POLLIN, limit_s)
        return self._arrived.pop(0)

    def poll(self) -> list[Message]:
        """Return what has arrived, without waiting. OSError when the other process has ended."""
        while self._read():
            pass
        arrived, self._arrived = self._arrived, []
        return arrived

    def _read(self) -> bool:
        """Take what is there; False when it is nothing."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as e:
            raise _ended() from e
        if not data:
            raise _ended()
        self._arrived += self._reader.feed(data)
        return True

    def _wait(self, what: int, limit_s: float | None = None) -> None:
        """Return when the socket is ready."""
        poll = select.poll()
        poll.register(self._socket, what)
        since = mono_ns()
        used = cpu_ticks(self._pid)
        while not poll.poll(_SLICE_MS):
            now = mono_ns()
            now_used = cpu_ticks(self._pid)
            if now_used > used:
                used, since = now_used, now
            limit = self._limit_s if limit_s is None else limit_s
            if now - since > (min(limit, HURRIED_S) if self.hurried() else limit) * _NS:
                raise OSError(errno.ETIMEDOUT, f"no answer within {(now - since) / _NS:.0f} s")

    def close(self) -> None:
        """Close this end: the other process ends when it notices."""
        self._socket.close()


def _ended() -> OSError:
    return OSError(errno.EPIPE, "the process that writes it has ended")


class BlockingPipe:
    """The keeper's end of the socket, which is the file descriptor ``fd``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reader = MessageReader()
        self._arrived: list[Message] = []

    def send(self, message: Message) -> None:
        """Hand over a message. OSError when nobody reads it any more."""
        data = memoryview(encoded(message))
        while data:
            data = data[os.write(self._fd, data) :]

    def receive(self, timeout_s: float | None) -> Message | None:
        """Return the next message, None when there is none after ``timeout_s``.

        EOFError when the other end is closed.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._arrived:
            if not poll.poll(None if timeout_s is None else timeout_s * 1e3):
                return None
            try:
                data = os.read(self._fd, _READ_BYTES)
            except OSError as e:
                raise EOFError from e
            if not data:
                raise EOFError
            self._arrived += self._reader.feed(data)
        return self._arrived.pop(0)
