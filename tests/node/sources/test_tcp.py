"""TCP, UDP and IP counters of real kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodekit import (
    FIXTURES,
    QUICK,
)
from sampled_tree import Tree
from sourcekit import decoded, recorded

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


SNMP6 = """\
Ip6InReceives                   \t5
Ip6InOctets                     \t1000
Ip6OutOctets                    \t2000
Ip6InMcastOctets                \t7
Ip6InCEPkts                     \t3
Udp6InDatagrams                 \t11
Udp6OutDatagrams                \t12
Udp6RcvbufErrors                \t13
UdpLite6InDatagrams             \t99
"""


def test_ip_version_6(tmp_path: Path) -> None:
    """A machine with IPv6 traffic alone: its bytes and datagrams have columns of their own."""
    tree = Tree(tmp_path)
    for name in ("snmp", "netstat"):
        tree.write(f"proc/net/{name}", (FIXTURES / "linux-6.18/proc/net" / name).read_text())
    tree.write("proc/net/snmp6", SNMP6)
    found = recorded("tcp", tmp_path)
    assert {k[4:]: v for k, v in found.items() if "6." in k} == {
        "Ip6.InOctets": 1000,
        "Ip6.OutOctets": 2000,
        "Ip6.InCEPkts": 3,
        "Udp6.InDatagrams": 11,
        "Udp6.OutDatagrams": 12,
        "Udp6.RcvbufErrors": 13,
    }
    source = BY_NAME["tcp"]()
    assert source.field("Ip6", "InOctets").doc == "IPv6 bytes received"
    assert source.field("IpExt", "InOctets").doc == "IPv4 bytes received"
    assert source.field("Udp", "InDatagrams").doc == "IPv4 datagrams received"
    assert source.field("Udp6", "InDatagrams").doc == "IPv6 datagrams received"


@pytest.mark.parametrize("gone", ["snmp6", "netstat"])
def test_a_file_that_is_not_there(tmp_path: Path, gone: str) -> None:
    """Without IPv6 there is no snmp6."""
    tree = Tree(tmp_path)
    for name in {"snmp", "netstat"} - {gone}:
        tree.write(f"proc/net/{name}", (FIXTURES / "linux-6.18/proc/net" / name).read_text())
    assert recorded("tcp", tmp_path)["tcp.Tcp.OutSegs"] > 0


@QUICK
@given(damaged=st.integers(0, 8), by=st.binary(max_size=30).filter(lambda b: b"\n" not in b))
def test_a_damaged_line_moves_no_other(damaged: int, by: bytes) -> None:
    lines = SNMP6.encode().splitlines()
    head = b"@snmp\nTcp: InSegs OutSegs\nTcp: 7 8\n@snmp6\n"
    before = decoded("tcp", head + b"\n".join(lines) + b"\n").cells
    key = lines[damaged].split()[0]
    lines[damaged] = by
    after = decoded("tcp", head + SNMP6.encode(), head + b"\n".join(lines) + b"\n").cells
    lost = {name for name in before if name.replace(".", "").encode() == key}
    for name, number in before.items():
        if name not in lost:
            assert after[name] == number
