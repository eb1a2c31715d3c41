"""Which of the named hosts is this one, and what addresses names have; a resolver that hangs delays nobody for long."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import addresses

RESOLVE_S = 2.0
_THREADS = 32
_ALWAYS = ("localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost")

Lookup = Callable[..., Iterable[Any]]


def resolve_all(
    names: Collection[str], timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo
) -> dict[str, set[str]]:
    """{name: its addresses}, all looked up at once; what has none, or none by then, is left out."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        todo.put(name)
    found: dict[str, set[str]] = {}
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                name = todo.get_nowait()
            except queue.Empty:
                return
            try:
                infos = list(lookup(name, None, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError):  # only the launcher's nodes may know it
                continue
            found[name] = {plain(str(info[4][0])) for info in infos}

    threads = [
        threading.Thread(target=work, name="resolve", daemon=True)
        for _ in range(min(_THREADS, len(names)))
    ]
    deadline = mono_ns() + int(timeout_s * 1e9)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, (deadline - mono_ns()) * 1e-9))
    over.set()
    return dict(found)


def plain(address: str) -> str:
    """One spelling for an address: no zone, IPv4 as IPv4."""
    ip = ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


def local_names(
    names: Iterable[str], timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo
) -> set[str]:
    """Those of ``names`` that are this host: its own names and addresses, and names that resolve only to those."""
    own = {plain(a) for a in addresses()}
    here = socket.gethostname().lower().rstrip(".")
    own_names = {*_ALWAYS, here, here.partition(".")[0]}
    local, unknown = set(), []
    for name in dict.fromkeys(names):
        if name.lower().rstrip(".") in own_names:
            local.add(name)
        elif not _is_address(name):
            unknown.append(name)
        elif _is_own(plain(name), own):
            local.add(name)
    for name, found in resolve_all(unknown, timeout_s, lookup).items():
        if found and all(_is_own(address, own) for address in found):
            local.add(name)
    return local


def is_local(name: str, timeout_s: float = RESOLVE_S, lookup: Lookup = socket.getaddrinfo) -> bool:
    """``local_names`` for one name; for many of them that one is faster."""
    return bool(local_names((name,), timeout_s, lookup))


def _is_address(name: str) -> bool:
    try:
        plain(name)
    except ValueError:
        return False
    return True


def _is_own(address: str, own: set[str]) -> bool:
    return address in own or ip_address(address).is_loopback
