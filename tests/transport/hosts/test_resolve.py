"""Which hosts are this one, by names and addresses."""

from __future__ import annotations

import socket
import threading

from mpi_collector.node.host.identity import addresses
from mpi_collector.transport.hosts import HostSpec, local_names, mark_local, resolve_all


def test_own_names_and_addresses_are_local() -> None:
    """Names of this host, its addresses in any spelling; nobody else's."""
    host = socket.gethostname()
    mine = ["localhost", "LOCALHOST.", host, host.upper(), host.partition(".")[0], "127.0.0.1", "127.9.9.9", "::1", "0:0::1",
            "::ffff:127.0.0.1", *addresses()]  # fmt: skip
    assert local_names(mine) == set(mine)
    assert not local_names(["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"])


def test_a_name_is_local_when_all_its_addresses_are() -> None:
    """One of somebody else's makes it another host; one that nobody knows is another host too."""
    book = {
        "alias": ["127.0.1.1", "::1"],
        "mixed": ["127.0.0.1", "192.0.2.1"],
        "other": ["192.0.2.1"],
        "none": [],
    }

    def lookup(name: str, _port: object, **_: object) -> list[tuple[object, ...]]:
        if name not in book:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, 0)) for address in book[name]]

    assert local_names(["alias", "mixed", "other", "none", "absent"], lookup=lookup) == {"alias"}
    hosts = mark_local([HostSpec("alias"), HostSpec("absent", 4)], lookup=lookup)
    assert hosts == [HostSpec("alias", is_local=True), HostSpec("absent", 4)]
    assert resolve_all(["other", "absent"], lookup=lookup) == {"other": {"192.0.2.1"}}


def test_a_resolver_that_hangs_delays_nobody() -> None:
    """A hundred names, none of which is answered: the function returns before any lookup does."""
    never = threading.Event()
    returned: list[str] = []

    def hang(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        never.wait(30)
        returned.append(name)
        return []

    assert local_names([f"h{k}" for k in range(100)], timeout_s=0.3, lookup=hang) == set()
    assert returned == []
    never.set()
