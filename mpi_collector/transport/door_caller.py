"""What a caller of a door does: connect to all addresses of its host, and take the first answer."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import identity, same_host_key
from mpi_collector.transport.tcp import LOOPBACK, begin_connecting

ADDRESSES_MOST = 16  #: of a door
DOCUMENT_BYTES = 1 << 26  #: of an answer
_CHUNK_BYTES = 1 << 16


def first_answer(
    about: Mapping[str, Any], word: bytes, limit_s: float, enough: Callable[[bytes], bool]
) -> bytes | None:
    """Show the token wherever a connection is made; return the first answer, None for none.

    ``enough``: whether an answer is complete before the other side has closed the connection.
    """
    there = about["identity"]
    # a loopback address of another host would be some other program's
    near = LOOPBACK if same_host_key(there) == same_host_key(identity()) else ()
    addresses = [*near, *there["addresses"][:ADDRESSES_MOST]]
    found = [s for a in addresses if (s := begin_connecting(a, about["port"])) is not None]
    trying = {sock.fileno(): sock for sock in found}
    try:
        words = about["token"].encode() + word
        return _wait(trying, words, mono_ns() + int(limit_s * 1e9), enough)
    finally:
        for sock in found:
            sock.close()


def _wait(
    trying: dict[int, socket.socket], words: bytes, until_ns: int, enough: Callable[[bytes], bool]
) -> bytes | None:
    poll = select.poll()
    came = dict.fromkeys(trying, b"")
    for fd in trying:
        poll.register(fd, select.POLLOUT)
    while trying:
        left_ms = (until_ns - mono_ns()) / 1e6
        events = poll.poll(left_ms) if left_ms > 0 else []
        if not events:
            return None
        for fd, event in events:
            try:
                if event & select.POLLOUT:
                    trying[fd].send(words)
                    poll.modify(fd, select.POLLIN)
                    continue
                data = trying[fd].recv(_CHUNK_BYTES)
            except OSError:
                data = b""
            came[fd] += data
            if came[fd] and (not data or enough(came[fd])):
                return came[fd]
            if not data or len(came[fd]) > DOCUMENT_BYTES:
                poll.unregister(fd)
                del trying[fd]
    return None
