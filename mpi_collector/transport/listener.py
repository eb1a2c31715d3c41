"""A port of this host that hosts try to reach during a check, as launchers and ranks will."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpi_collector.node.host.identity import addresses
from mpi_collector.transport.tcp import listen

_BACKLOG = 4096  #: connections that the kernel completes; nobody takes them


@contextmanager
def listening() -> Iterator[dict[str, Any] | None]:
    """Yield the addresses and the port of a socket that listens; None if this host has none."""
    own = addresses()
    try:
        if not own:
            raise OSError
        sock = listen(_BACKLOG)
    except OSError:
        yield None
        return
    with sock:
        yield {"addresses": own, "port": sock.getsockname()[1]}
