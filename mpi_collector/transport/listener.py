"""A port of this host that hosts try to reach during a check, as launchers and ranks will."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpi_collector.node.host.identity import addresses

_BACKLOG = 4096  #: connections that the kernel completes; nobody takes them


@contextmanager
def listening() -> Iterator[dict[str, Any] | None]:
    """Yield the addresses and the port of a socket that listens; None if this host has none."""
    own = addresses()
    both = socket.has_dualstack_ipv6()
    try:
        if not own:
            raise OSError
        family = socket.AF_INET6 if both else socket.AF_INET
        sock = socket.create_server(("", 0), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError:
        yield None
        return
    with sock:
        yield {"addresses": own, "port": sock.getsockname()[1]}
