"""The door of a run: where ``stop`` and ``mark`` ring, and where ``top`` asks for figures.

Whoever comes shows a token, which lies with the address in a file that only the user of the run can
read, and one byte behind it. "!" is a ring: look at what was left in a file. "?" asks for the live
document, which is sent as far as the socket takes it, then a little later; a reader that does not
read it is let go. Neither side waits without a limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import zlib
from collections.abc import Callable, Collection, Mapping
from hmac import compare_digest
from pathlib import Path
from typing import Any

from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.documents import IDENTITY
from mpi_collector.node.errors import FormError
from mpi_collector.node.forms import Record, Text, Whole
from mpi_collector.node.host.identity import identity
from mpi_collector.node.regular_file import read_own
from mpi_collector.transport.base import Wakes
from mpi_collector.transport.door_caller import ADDRESSES_MOST, DOCUMENT_BYTES, first_answer
from mpi_collector.transport.tcp import OUT_OF_ROOM, listen

_TOKEN_BYTES = 32
_RING = b"!"
_ASK = b"?"
_HEARD = b"+"
_READERS_MOST = 8  #: documents that are being sent at a time
_READER_NS = 5_000_000_000  #: for one of them
_RETRY_NS = 50_000_000  #: to a reader whose socket is full
_CHUNK_BYTES = 1 << 16
_BACKLOG = 16
_CALLERS_MOST = 8  #: connections at a time that have not shown the token
_HELLO_NS = 2_000_000_000
#: after a caller without the token, during which nobody is let in
_PAUSE_NS = 250_000_000
_FAILED_MOST = 4096  #: callers without the token; after that the door stays closed
_FILE_BYTES = 1 << 20

_FORM = Record(
    {
        "port": Whole(1, 65535),
        "token": Text(_TOKEN_BYTES, lambda text: len(text) == _TOKEN_BYTES and text.isascii()),
        "identity": IDENTITY,
    }
)


class Door:
    """Listens from ``open`` on. No call waits, and none raises.

    ``document``: makes the live document, as bytes of JSON; None: there is none at this door.
    """

    def __init__(self) -> None:
        self.document: Callable[[], bytes] | None = None
        self._readers: list[_Reader] = []
        self._listener: socket.socket | None = None
        self._callers: dict[int, _Caller] = {}  # by descriptor
        self._failed = 0
        self._closed_until_ns = 0  # 0: somebody may come
        self._token = b""
        self._path = ""

    def open(self, document: Callable[[], bytes] | None = None) -> None:
        """Listen; the door stays closed where this host cannot."""
        self.document = document
        with contextlib.suppress(OSError):
            self._listener = listen(_BACKLOG)
            self._token = secrets.token_hex(_TOKEN_BYTES // 2).encode()

    @property
    def is_open(self) -> bool:
        """True while somebody can ring."""
        return self._listener is not None

    def write(self, path: str) -> None:
        """Leave the address in a new file, which ``close`` removes."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            write_address(path, self.address())
            self._path = path

    def address(self) -> str:
        """Return what goes into the file; "" of a closed door."""
        if self._listener is None:
            return ""
        here = identity()
        here["addresses"] = here["addresses"][:ADDRESSES_MOST]
        port = self._listener.getsockname()[1]
        return json.dumps({"port": port, "token": self._token.decode(), "identity": here})

    def wakes(self) -> Wakes:
        """Return what ``rung`` waits for."""
        if self._listener is None:
            return Wakes()
        due = [c.since_ns + _HELLO_NS for c in self._callers.values()]
        due += [r.retry_ns for r in self._readers]
        if self._closed_until_ns:
            return Wakes(tuple(self._callers), min([*due, self._closed_until_ns]))
        return Wakes((self._listener.fileno(), *self._callers), min(due, default=None))

    def rung(self) -> bool:
        """Return whether somebody has rung since the last time."""
        if self._listener is None:
            return False
        rung = False
        for fd in readable(self.wakes().fds, 0):
            caller = self._callers.get(fd)
            if caller is not None:
                rung |= self._read(caller)
            elif fd == self._listener.fileno():
                rung |= self._accept(self._listener)
        now = mono_ns()
        for reader in [r for r in self._readers if now >= r.retry_ns]:
            self._send(reader)
        for caller in [*self._callers.values()]:
            if now - caller.since_ns > _HELLO_NS:
                self._refuse(caller)
        if now >= self._closed_until_ns:
            self._closed_until_ns = 0
        if self._failed > _FAILED_MOST:
            self.close()
        return rung

    def close(self) -> None:
        """Let nobody in any more."""
        if self._listener is None:
            return
        for caller in self._callers.values():
            caller.sock.close()
        for reader in self._readers:
            reader.sock.close()
        self._callers, self._readers = {}, []
        self._listener.close()
        self._listener = None
        with contextlib.suppress(OSError):
            if self._path:
                os.unlink(self._path)

    def _accept(self, listener: socket.socket) -> bool:
        """Let one caller in, and return whether he has rung."""
        try:
            sock, _address = listener.accept()
        except OSError as e:
            if e.errno in OUT_OF_ROOM:
                self._pause()  # it would be readable all the time
            return False
        sock.setblocking(False)
        if len(self._callers) >= _CALLERS_MOST:
            self._refuse(next(iter(self._callers.values())))
        caller = self._callers[sock.fileno()] = _Caller(sock)
        return self._read(caller)

    def _read(self, caller: _Caller) -> bool:
        """Take what a caller has sent, and return whether he has rung."""
        try:
            data = caller.sock.recv(_TOKEN_BYTES + 1 - len(caller.shown))
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        caller.shown += data
        if data and len(caller.shown) <= _TOKEN_BYTES:
            return False
        token, asked = caller.shown[:_TOKEN_BYTES], caller.shown[_TOKEN_BYTES:]
        if not compare_digest(token, self._token) or asked not in (_RING, _ASK):
            self._refuse(caller)
            return False
        if asked == _ASK:
            self._answer(caller)
            return False
        with contextlib.suppress(OSError):
            caller.sock.send(_HEARD)
        self._drop(caller)
        return True

    def _answer(self, caller: _Caller) -> None:
        """Begin to send the live document, if there is one and not too many read it already."""
        if self.document is None or len(self._readers) >= _READERS_MOST:
            self._drop(caller)
            return
        try:
            data = zlib.compress(self.document(), 1)
        except Exception:  # noqa: BLE001 - the job runs: a document that fails is not sent
            self._drop(caller)
            return
        del self._callers[caller.sock.fileno()]
        reader = _Reader(caller.sock, data)
        self._readers.append(reader)
        self._send(reader)

    def _send(self, reader: _Reader) -> None:
        """Send what the socket takes; the rest later, unless that took too long already."""
        try:
            while reader.left:
                reader.left = reader.left[reader.sock.send(reader.left[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            reader.retry_ns = mono_ns() + _RETRY_NS
            if reader.retry_ns < reader.until_ns:
                return
        except OSError:
            pass
        self._readers.remove(reader)
        reader.sock.close()

    def _refuse(self, caller: _Caller) -> None:
        self._failed += 1
        self._drop(caller)
        self._pause()

    def _drop(self, caller: _Caller) -> None:
        del self._callers[caller.sock.fileno()]
        caller.sock.close()

    def _pause(self) -> None:
        """Let nobody in for a moment: who connects in a loop costs little."""
        self._closed_until_ns = mono_ns() + _PAUSE_NS


class _Caller:
    """A connection. ``shown``: what it has sent of the token."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.shown = b""
        self.since_ns = mono_ns()


class _Reader:
    """A connection over which a document is sent."""

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        self.sock = sock
        self.left = memoryview(data)
        self.retry_ns = mono_ns()
        self.until_ns = self.retry_ns + _READER_NS


def write_address(path: str | Path, text: str) -> None:
    """Write an address into a new file that only this user can read. OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def read_address(path: str | Path, owners: Collection[int] = ()) -> dict[str, Any] | None:
    """Return the address in a file; None: there is none, or the file is another user's."""
    try:
        about = json.loads(read_own(path, _FILE_BYTES, owners))
        _FORM.check(about)
    except (OSError, ValueError, RecursionError, FormError):
        return None
    return dict(about)


def ring(about: Mapping[str, Any], limit_s: float) -> bool:
    """Ring at a door. Return whether that was heard within ``limit_s``. Raises nothing."""
    return first_answer(about, _RING, limit_s, lambda data: data == _HEARD) is not None


def ask(about: Mapping[str, Any], limit_s: float) -> dict[str, Any] | None:
    """Return the live document of a run, unchecked; None: none within ``limit_s``."""
    data = first_answer(about, _ASK, limit_s, lambda data: False)
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(data or b"", DOCUMENT_BYTES)
        found = json.loads(text) if inflate.eof else None
    except (zlib.error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
