"""TCP sockets that no call waits for: listening on this host, connecting to another one."""

from __future__ import annotations

import errno
import socket

LOOPBACK = ("127.0.0.1", "::1")
#: errors of accept(2) that leave the connection in the queue, and the listener readable
OUT_OF_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def listen(backlog: int) -> socket.socket:
    """Return a socket that listens at a free port, on all addresses of this host. OSError."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    listener = socket.create_server(("", 0), family=family, backlog=backlog, dualstack_ipv6=both)
    listener.setblocking(False)
    return listener


def begin_connecting(address: str, port: int) -> socket.socket | None:
    """Return a socket that is being connected; None where that fails at once, and for a name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.inet_pton(family, address)  # a name would be looked up, which waits
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, ValueError):
        return None
    sock.setblocking(False)
    try:
        sock.connect((address, port))
    except BlockingIOError:
        pass
    except OSError:
        sock.close()
        return None
    return sock
