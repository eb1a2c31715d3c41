"""/proc/net/dev: names and headers that look alike, numbers glued to the colon."""

from __future__ import annotations

from nodekit import (
    Decoded,
    edge,
    text_of,
)


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
