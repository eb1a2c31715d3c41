"""/proc/net/dev: names and headers that look alike, numbers glued to the colon."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodekit import (
    QUICK,
    Decoded,
    edge,
    text_of,
)
from sampled_tree import Tree, sampled
from sourcekit import decoded


def test_interface_name_with_a_bar() -> None:
    """Only the first two lines are headers; a name may hold what headers hold."""
    line = b" : " + b" ".join(b"%d" % n for n in range(1, 17)) + b"\n"
    text = edge("netdev-headers-only") + b"a|b" + line
    cells, _ = Decoded("netdev", text).decode(text)
    assert cells["netdev.a|b.tx_compressed"] == 16


def test_value_glued_to_the_colon() -> None:
    """Old kernels leave no blank between the name and a long number."""
    cells, _ = Decoded("netdev", text_of("linux-2.6.32", "netdev")).decode(
        text_of("linux-2.6.32", "netdev")
    )
    assert cells["netdev.eth0.rx_bytes"] == 4046496815


def line(name: str, first: int) -> str:
    """An interface whose 16 numbers begin with ``first``."""
    return f"{name:>6}:{first} " + " ".join(str(n) for n in range(2, 17)) + "\n"


@pytest.mark.parametrize("glue", ["", " ", "   "])
def test_names_with_colons(tmp_path: Path, glue: str) -> None:
    """Aliases, up to Linux 3.10: their own device, which no total counts."""
    head = edge("netdev-headers-only").decode()
    tree = Tree(tmp_path / "root")

    def text(received: int) -> str:
        lines = line("lo", 1) + line("eth0", received) + line("eth0:1", received) + line("a:b:c", 9)
        return head + lines.replace(":%d" % received, ":%s%d" % (glue, received))

    tree.write("proc/net/dev", text(1_000_000))
    found = sampled(
        tree, tmp_path / "results", "netdev", lambda: tree.write("proc/net/dev", text(9_000_000))
    )
    devices = {name[7:].rpartition(".")[0] for name in found.columns if name.startswith("netdev.")}
    assert devices == {"lo", "eth0", "eth0:1", "a:b:c"}
    assert found.columns["netdev.eth0:1.rx_packets"][-1] == 2
    assert found.columns["netdev.a:b:c.rx_bytes"][-1] == 9
    (host,) = found.summary["hosts"].values()
    assert host["counted"]["net"] == ["eth0"]
    assert found.moved("net_rx_bytes_per_s") == pytest.approx(8_000_000, rel=1e-3)


@QUICK
@given(
    names=st.lists(st.from_regex(r"[a-z]{1,4}(:[0-9])?", fullmatch=True), max_size=6, unique=True),
    damage=st.binary(max_size=40).filter(lambda raw: b"\n" not in raw),
    at=st.integers(0, 6),
)
def test_a_damaged_line_moves_no_other(names: list[str], damage: bytes, at: int) -> None:
    """Each interface keeps its own numbers, whatever one line became."""
    lines = [line(name, n) for n, name in enumerate(names)]
    head = edge("netdev-headers-only")
    first = head + "".join(lines).encode()
    kept = [n for n in range(len(names)) if n != at]
    damaged = [text.encode() for text in lines]
    damaged[at : at + 1] = [damage + b"\n"]
    before = decoded("netdev", first).cells
    after = decoded("netdev", first, head + b"".join(damaged)).cells
    for n in kept:
        device = names[n]
        if not damage.strip().startswith(device.encode()):
            assert after[f"{device}.rx_bytes"] == before[f"{device}.rx_bytes"] == n
            assert after[f"{device}.tx_compressed"] == 16
