"""What goes over a doorbell: a TCP connection by which a rank and rank 0 wake each other.

A worker sends a token and its rank, rank 0 answers with a token of its own, the worker sends its
first count, and rank 0 does. Only then may the worker rely on being rung. Counts are all that can
be said: how many messages the sender has handed over to MPI for the
other one so far. A message may arrive after the count that announces it, and several counts may be
read at once: whoever has received fewer messages looks at MPI until they are there.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from mpi_collector.node.forms import NAME, Form, Items, Record, Text, Whole

TOKEN_BYTES = 32
COUNT = struct.Struct("!I")
HELLO = struct.Struct(f"!{TOKEN_BYTES}sI")  #: token of the worker, its rank
REPLY_BYTES = TOKEN_BYTES  #: token of rank 0
ADDRESSES_MOST = 16
#: a dead host is known after IDLE_S + PROBES * PROBE_EVERY_S (tcp(7))
_IDLE_S = 4
_PROBE_EVERY_S = 2
_PROBES = 2
_COUNTED = 1 << 32

_TOKEN = Text(2 * TOKEN_BYTES, lambda text: len(text) == 2 * TOKEN_BYTES)
#: of the request ``bell``
OFFER: dict[str, Form] = {
    "addresses": Items(NAME, ADDRESSES_MOST),
    "port": Whole(1, 65535),
    "token": _TOKEN,
    "reply": _TOKEN,
}
OFFER_FORM = Record(OFFER)


@dataclass(frozen=True)
class Offer:
    """Where rank 0 waits for connections, and the tokens of both sides."""

    addresses: list[str]
    port: int
    token: bytes
    reply: bytes

    def to_dict(self) -> dict[str, Any]:
        return {
            "addresses": self.addresses,
            "port": self.port,
            "token": self.token.hex(),
            "reply": self.reply.hex(),
        }

    @classmethod
    def from_dict(cls, doc: dict[str, Any]) -> Offer:
        """ValueError."""
        tokens = bytes.fromhex(doc["token"]), bytes.fromhex(doc["reply"])
        return cls(list(doc["addresses"]), doc["port"], *tokens)


class Counts:
    """The counts that one side has received. ``newest``: the last one."""

    def __init__(self) -> None:
        self.newest = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) // COUNT.size * COUNT.size
        if whole:
            (self.newest,) = COUNT.unpack_from(data, whole - COUNT.size)
        self._rest = data[whole:]

    def missing(self, received: int) -> bool:
        """Return whether messages are announced beyond the ``received`` ones."""
        return 0 < (self.newest - received) % _COUNTED < _COUNTED // 2


def send_count(sock: socket.socket, count: int) -> bool:
    """Send a count. False when the connection is to be given up.

    It is when there is no room: the other side has not read thousands of counts.
    """
    try:
        return sock.send(COUNT.pack(count % _COUNTED)) == COUNT.size
    except OSError:
        return False


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice within 10 s that the other host is gone, and send counts at once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, _IDLE_S),
        (socket.TCP_KEEPINTVL, _PROBE_EVERY_S),
        (socket.TCP_KEEPCNT, _PROBES),
        (socket.TCP_USER_TIMEOUT, 1000 * (_IDLE_S + _PROBES * _PROBE_EVERY_S)),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def pause_ns(since_ns: int, now_ns: int) -> int:
    """Return how long to wait before MPI is looked at again for a message announced ``since_ns``.

    A tenth of the time that it has been awaited: it comes within a millisecond as a rule.
    """
    return min(max((now_ns - since_ns) // 10, _FIRST_PAUSE_NS), _LONGEST_PAUSE_NS)


_FIRST_PAUSE_NS = 1_000_000
_LONGEST_PAUSE_NS = 400_000_000
