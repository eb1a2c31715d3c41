"""The doorbells of the other ranks at rank 0 (bell_protocol.py).

Rank 0 listens only while the ranks start. Whoever connects has little time and few bytes to show
the token, and nothing that anybody sends can be more than a count.
"""

from __future__ import annotations

import errno
import os
import resource
import secrets
import select
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import same_host_key
from mpi_collector.transport.ranks.bell_protocol import (
    ADDRESSES_MOST,
    HELLO,
    TOKEN_BYTES,
    Counts,
    Offer,
    keep_alive,
    pause_ns,
    send_count,
)
from mpi_collector.transport.tcp import LOOPBACK, OUT_OF_ROOM, listen

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

BELLS_MOST = 1000
_SHARE = 4  #: of the descriptors that are free, one in so many may be a bell
_BACKLOG = 4096
_STRANGERS_MOST = 64  #: connections at a time that have not shown the token
_FAILED_MOST = 4096  #: connections that failed to; after that nobody is let in
_AT_ONCE = 64  #: events that are handled in one turn
_HELLO_NS = 2_000_000_000
_OPEN_NS = 5_000_000_000  #: for which the ranks may connect after the start
_READ_BYTES = 4096


class Caller:
    """A connection. ``rank`` -1: it has not shown the token. ``live``: it has taken the reply."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rank = -1
        self.live = False
        self.hello = b""
        self.counts = Counts()
        self.since_ns = mono_ns()  #: when it connected, or rang last


class Bells:
    """Wakes the ranks that have a doorbell, and is woken by them. No call waits.

    ``fd``: readable when ``turn`` has something to do. ``lost``: {rank: UTC ns at which its
    connection ended}, of those that had one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._epoll = select.epoll()
        self._listener: socket.socket | None = None
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._reply = secrets.token_bytes(TOKEN_BYTES)
        self._expected: set[int] = set()
        self._callers: dict[int, Caller] = {}  # by descriptor
        self._live: dict[int, Caller] = {}  # by rank
        self._announced: set[int] = set()  # ranks of which messages are to come
        self._failed = 0
        self._open_until_ns: int | None = None
        self.lost: dict[int, int] = {}

    @property
    def fd(self) -> int:
        return self._epoll.fileno()

    @property
    def settled(self) -> bool:
        """True when no further rank is let in."""
        return self._listener is None

    def is_live(self, rank: int) -> bool:
        """Return whether ``rank`` can be rung."""
        return rank in self._live

    def open(
        self, ranks: Iterable[int], identities: Mapping[int, Mapping[str, Any]]
    ) -> dict[int, Offer]:
        """Listen, and return {rank: what it needs to connect} of as many ``ranks`` as there may be.

        ``identities``: of the hosts of all ranks. Empty where this host cannot listen.
        """
        wanted = list(ranks)[: _bells_most()]
        try:
            self._listener = listen(_BACKLOG)
        except OSError:
            return {}
        self._epoll.register(self._listener, select.EPOLLIN)
        self._expected = set(wanted)
        port = int(self._listener.getsockname()[1])
        own = identities[0]
        # a loopback address of another host would be some other program's
        loopback = list(LOOPBACK[: 2 if self._listener.family == socket.AF_INET6 else 1])
        return {
            rank: Offer(
                loopback
                if same_host_key(identities[rank]) == same_host_key(own)
                else list(own["addresses"])[:ADDRESSES_MOST],
                port,
                self._token,
                self._reply,
            )
            for rank in wanted
        }

    def ring(self, rank: int, count: int) -> None:
        """Announce that ``count`` messages in all have been sent to ``rank``."""
        caller = self._live.get(rank)
        if caller is not None and not send_count(caller.sock, count):
            self._drop(caller)

    def started(self) -> None:
        """Let nobody in from a few seconds from now on: every rank has answered the start."""
        self._open_until_ns = mono_ns() + _OPEN_NS

    def due_ns(self, looked_ns: int) -> int | None:
        """Return when ``turn`` is to be called at the latest, or MPI to be looked at.

        ``looked_ns``: when it was last.
        """
        due = [self._open_until_ns] if self._listener and self._open_until_ns else []
        due += [c.since_ns + _HELLO_NS for c in self._strangers()]
        for rank in [*self._announced]:
            caller = self._live.get(rank)
            if caller is None or not caller.counts.missing(self._world.received[rank]):
                self._announced.discard(rank)
            else:
                due.append(looked_ns + pause_ns(caller.since_ns, looked_ns))
        return min(due, default=None)

    def turn(self) -> None:
        """Let ranks in, and take what they have sent."""
        for fd, _event in self._epoll.poll(0, _AT_ONCE):
            caller = self._callers.get(fd)
            if caller is not None:
                self._read(caller)
            elif self._listener is not None:
                self._accept(self._listener)
        now = mono_ns()
        for caller in [*self._strangers()]:
            if now - caller.since_ns > _HELLO_NS:
                self._refuse(caller)
        closes = self._open_until_ns is not None and now > self._open_until_ns
        if closes or self._expected <= self._live.keys() or self._failed > _FAILED_MOST:
            self._close_listener()

    def close(self) -> None:
        """Close all connections."""
        self._close_listener()
        for caller in [*self._callers.values()]:
            caller.sock.close()
        self._callers = {}
        self._live = {}
        self._epoll.close()

    def _strangers(self) -> list[Caller]:
        if self._listener is None:
            return []
        return [c for c in self._callers.values() if c.rank < 0]

    # ---- connections
    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _address = listener.accept()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            if e.errno in OUT_OF_ROOM:
                self._close_listener()  # it would be readable for ever
            return
        sock.setblocking(False)
        strangers = self._strangers()
        if len(strangers) >= _STRANGERS_MOST:
            self._refuse(strangers[0])
        caller = self._callers[sock.fileno()] = Caller(sock)
        self._epoll.register(sock, select.EPOLLIN)
        self._read(caller)

    def _read(self, caller: Caller) -> None:
        """Take what a connection has sent."""
        most = _READ_BYTES if caller.rank >= 0 else HELLO.size - len(caller.hello)
        try:
            data = caller.sock.recv(most)
        except BlockingIOError:
            return
        except OSError:  # the kernel has given the other host up, for instance
            data = b""
        if not data:
            self._drop(caller) if caller.rank >= 0 else self._refuse(caller)
        elif caller.rank < 0:
            caller.hello += data
            if len(caller.hello) == HELLO.size:
                self._let_in(caller)
        else:
            self._take_counts(caller, data)

    def _let_in(self, caller: Caller) -> None:
        """Answer a whole hello."""
        token, rank = HELLO.unpack(caller.hello)
        known = secrets.compare_digest(token, self._token)
        if not known or rank not in self._expected or rank in self._live:
            self._refuse(caller)
            return
        try:
            keep_alive(caller.sock)
            if caller.sock.send(self._reply) != len(self._reply):
                raise OSError(errno.EPIPE, "no room")
        except OSError:
            self._refuse(caller)
            return
        caller.rank = rank

    def _take_counts(self, caller: Caller, data: bytes) -> None:
        caller.counts.feed(data)
        caller.since_ns = mono_ns()
        if not caller.live:
            if caller.rank in self._live:  # by another address
                self._drop(caller)
                return
            caller.live = True
            self._live[caller.rank] = caller
            # what was sent before it could be rung
            self.ring(caller.rank, self._world.sent[caller.rank])
        self._announced.add(caller.rank)

    def _refuse(self, caller: Caller) -> None:
        self._failed += 1
        self._drop(caller)

    def _drop(self, caller: Caller) -> None:
        """Close a connection; the end of a live one is noted."""
        if self._callers.pop(caller.sock.fileno(), None) is None:
            return
        self._epoll.unregister(caller.sock)
        caller.sock.close()
        if caller.live:
            del self._live[caller.rank]
            self.lost[caller.rank] = wall_ns()

    def _close_listener(self) -> None:
        """Let nobody in any more."""
        if self._listener is None:
            return
        for caller in self._strangers():
            self._drop(caller)
        self._epoll.unregister(self._listener)
        self._listener.close()
        self._listener = None


def _bells_most() -> int:
    """Return how many bells this process may have."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return BELLS_MOST
    return min(BELLS_MOST, max(limit - len(os.listdir("/proc/self/fd")), 0) // _SHARE)
