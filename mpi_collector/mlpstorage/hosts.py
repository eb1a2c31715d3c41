"""Host names as the suite's command takes them."""

from __future__ import annotations

import socket
from collections.abc import Iterable

LOCALHOST_IDENTIFIERS = ("localhost", "127.0.0.1", "::1")


def unique_hosts(hosts: Iterable[str]) -> list[str]:
    """Return the names in order, without slots (``host:4``), blanks and repetitions.

    IPv6 addresses stay whole.
    """
    return list(dict.fromkeys(name for name in map(without_slots, hosts) if name))


def without_slots(host: str) -> str:
    """Return ``host`` of ``host:4``; an IPv6 address is returned as it is."""
    name = host.strip()
    head, colon, slots = name.partition(":")
    return head if colon and slots.isdigit() and ":" not in slots else name


def _is_localhost(hostname: str) -> bool:
    """Return whether ``hostname`` is a name or an address of this host."""
    from mpi_collector.transport.hosts import local_names

    own = {*LOCALHOST_IDENTIFIERS, socket.gethostname().lower(), socket.getfqdn().lower()}
    return hostname.lower() in own or bool(local_names([hostname]))


def remote_hosts(hosts: Iterable[str]) -> list[str]:
    """Return the unique names that are not this host."""
    from mpi_collector.transport.hosts import local_names

    names = unique_hosts(hosts)
    local = local_names(names)
    return [name for name in names if name not in local]
