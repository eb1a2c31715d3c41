"""TCP, UDP and IP counters of real kernels."""

from __future__ import annotations

import pytest
from nodekit import (
    FIXTURES,
)
from sourcekit import recorded

from mpi_collector.node.sources import (
    BY_NAME,
)


@pytest.mark.parametrize("tree", ["linux-4.18", "linux-6.18"])
def test_every_tcp_counter(tree: str) -> None:
    """Each has the number that stands below its name; the same columns on both kernels but for what the older has not."""
    there: dict[str, int] = {}
    for name in ("snmp", "netstat"):
        lines = (FIXTURES / tree / "proc/net" / name).read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            protocol, words = names.split()[0], names.split()[1:]
            there.update(
                {f"tcp.{protocol[:-1]}.{n}": int(v) for n, v in zip(words, values.split()[1:])}
            )
    found = recorded("tcp", FIXTURES / tree)
    assert found == {k: there[k] for k in found}
    missing = (
        {f"{p}.{f}" for p, f in (("TcpExt", "TCPRcvQDrop"), ("TcpExt", "TCPZeroWindowDrop"))}
        if tree == "linux-4.18"
        else set()
    )
    assert len(found) == len(BY_NAME["tcp"].fields) - len(missing)
