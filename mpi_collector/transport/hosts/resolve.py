"""The addresses of host names, and which hosts are this one.

A resolver that does not answer costs a bounded time.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import addresses
from mpi_collector.transport.hosts.names import HostSpec

RESOLVE_S = 2.0
_THREADS = 32
_ALWAYS_LOCAL = ("localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost")

#: has the parameters and the result of socket.getaddrinfo
Lookup = Callable[..., Iterable[Any]]


def resolve_all(
    names: Collection[str], timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo
) -> dict[str, set[str]]:
    """Return {name: its addresses}, all looked up at the same time.

    A name without an address, or without an answer within ``timeout_s``, is left out.
    """
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        todo.put(name)
    found: dict[str, set[str]] = {}
    timed_out = threading.Event()

    def work() -> None:
        while not timed_out.is_set():
            try:
                name = todo.get_nowait()
            except queue.Empty:
                return
            try:
                infos = list(lookup(name, None, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError):  # perhaps only the compute nodes know it
                continue
            found[name] = {normalized(str(info[4][0])) for info in infos}

    threads = [
        threading.Thread(target=work, name="resolve", daemon=True)
        for _ in range(min(_THREADS, len(names)))
    ]
    deadline = mono_ns() + int(timeout_s * 1e9)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, (deadline - mono_ns()) * 1e-9))
    timed_out.set()
    return dict(found)


def normalized(address: str) -> str:
    """Return one spelling of an address: without a zone, an IPv4-mapped address as IPv4.

    Raise ValueError.
    """
    ip = ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


def mark_local(
    hosts: Iterable[HostSpec], timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo
) -> list[HostSpec]:
    """Return the hosts with ``is_local`` decided."""
    hosts = list(hosts)
    local = local_names([host.name for host in hosts], timeout_s, lookup)
    return [replace(host, is_local=host.name in local) for host in hosts]


def local_names(
    names: Iterable[str], timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo
) -> set[str]:
    """Return those of ``names`` that are this host.

    These are its own name and addresses, and names of which every address is this host's. The first
    label of its name is, too, unless it has other addresses: two hosts may share it.
    """
    own = {normalized(a) for a in addresses()}
    hostname = socket.gethostname().lower().rstrip(".")
    own_names = {*_ALWAYS_LOCAL, hostname}
    label = hostname.partition(".")[0]
    local = set()
    unknown = []
    for name in dict.fromkeys(names):
        if name.lower().rstrip(".") in own_names:
            local.add(name)
        elif not is_address(name):
            unknown.append(name)
        elif _is_own(normalized(name), own):
            local.add(name)
    found = resolve_all(unknown, timeout_s, lookup)
    for name in unknown:
        where = found.get(name)
        if all(_is_own(a, own) for a in where) if where else name.lower().rstrip(".") == label:
            local.add(name)
    return local


def known_names(hosts: Iterable[HostSpec]) -> dict[str, str]:
    """Return {name or address of a host: its requested name}, as far as this host knows them.

    A host that is this one, by whatever name, also has this host's own name and addresses. A first
    label or an address that two requested hosts have is left out.
    """
    hosts = list(hosts)
    claims: dict[str, set[str]] = {}
    for host in hosts:
        also = [socket.gethostname(), *addresses()] if host.is_local else []
        for name in (host.name.partition(".")[0], *also):
            claims.setdefault(name, set()).add(host.name)
    for name, found in resolve_all([host.name for host in hosts]).items():
        for address in found:
            claims.setdefault(address, set()).add(name)
    known = {name: min(by) for name, by in claims.items() if len(by) == 1}
    return {**known, **{host.name: host.name for host in hosts}}


def is_address(name: str) -> bool:
    """Return whether ``name`` is an IP address."""
    try:
        normalized(name)
    except ValueError:
        return False
    return True


def _is_own(address: str, own: set[str]) -> bool:
    return address in own or ip_address(address).is_loopback
