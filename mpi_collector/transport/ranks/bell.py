"""The doorbell of a worker: its side of the connection to rank 0 (bell_protocol.py)."""

from __future__ import annotations

import errno
import socket
from hmac import compare_digest

from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.ranks.bell_protocol import (
    HELLO,
    REPLY_BYTES,
    Counts,
    Offer,
    keep_alive,
    send_count,
)
from mpi_collector.transport.tcp import begin_connecting

_CONNECT_NS = 2_000_000_000  #: for the addresses of rank 0, all tried side by side
_REPLY_NS = 20_000_000_000  #: for rank 0, which may be preparing its own host; nothing waits for it
_READ_BYTES = 4096


class Bell:
    """A connection to rank 0, from its first attempt to its end. No call waits.

    ``live``: rank 0 has said that it rings from now on. ``over``: it could not be made, or has
    ended.
    ``sent``: messages that this worker has handed over to MPI.
    """

    def __init__(self, offer: Offer, rank: int, sent: int = 0) -> None:
        self._offer = offer
        self._rank = rank
        self._began_ns = mono_ns()
        begun = [begin_connecting(address, offer.port) for address in offer.addresses]
        self._trying = [sock for sock in begun if sock is not None]
        self._asked: dict[socket.socket, bytes] = {}  #: what of the reply has come
        self._socket: socket.socket | None = None
        self._counts = Counts()
        self._confirmed = False
        self.over = not self._trying
        self.sent = sent

    @property
    def live(self) -> bool:
        return self._socket is not None and self._confirmed

    @property
    def fd(self) -> int:
        """Readable when rank 0 rings or is gone. -1 where there is no connection."""
        return self._socket.fileno() if self._socket is not None else -1

    def turn(self) -> None:
        """Connect as far as that goes, and take what rank 0 has sent."""
        self._advance()
        self._read()

    def _advance(self) -> None:
        """Take the next step towards a live bell, if one can be taken."""
        if self._socket is not None or self.over:
            return
        for sock in [*self._trying]:
            if _is_connected(sock):
                self._trying.remove(sock)
                self._ask(sock)
        for sock in [*self._asked]:
            if self._socket is None:
                self._take_reply(sock)
        waited_ns = mono_ns() - self._began_ns
        waits = (self._trying and waited_ns < _CONNECT_NS) or (
            self._asked and waited_ns < _REPLY_NS
        )
        if self._socket is None and not waits:
            self.close()

    def _ask(self, sock: socket.socket) -> None:
        try:
            keep_alive(sock)
            if sock.send(HELLO.pack(self._offer.token, self._rank)) != HELLO.size:
                raise OSError(errno.EPIPE, "no room")
        except OSError:
            sock.close()
            return
        self._asked[sock] = b""

    def _take_reply(self, sock: socket.socket) -> None:
        """Take what has come of the reply; the first whole one decides which connection it is."""
        try:
            data = sock.recv(REPLY_BYTES - len(self._asked[sock]))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        reply = self._asked[sock] = self._asked[sock] + data
        if not data or (len(reply) == REPLY_BYTES and not compare_digest(reply, self._offer.reply)):
            del self._asked[sock]
            sock.close()
        elif len(reply) == REPLY_BYTES:
            del self._asked[sock]
            self._give_up_others()
            self._socket = sock
            self.ring(0, self.sent)  # rank 0 rings from now on, and sends its first count

    def ring(self, _dest: int, count: int) -> None:
        """Announce to rank 0 that ``count`` messages in all have been sent."""
        self.sent = count
        if self._socket is None:
            return
        if not send_count(self._socket, count):
            self.close()

    def _read(self) -> None:
        """Take what rank 0 has sent; at the end of the connection the bell is over."""
        while self._socket is not None:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
            self._counts.feed(data)
            self._confirmed = True

    def announces(self, received: int) -> bool:
        """Return whether rank 0 has sent more than the ``received`` messages."""
        return self._counts.missing(received)

    def close(self) -> None:
        self._give_up_others()
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.over = True

    def _give_up_others(self) -> None:
        for sock in (*self._trying, *self._asked):
            sock.close()
        self._trying = []
        self._asked = {}


def _is_connected(sock: socket.socket) -> bool:
    """Return whether a connection is made."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
