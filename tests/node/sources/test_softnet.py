"""The receive path of real kernels."""

from __future__ import annotations

from sourcekit import nonzero


def test_softnet() -> None:
    assert nonzero("softnet", "linux-4.18") == {
        "processed": 0x29BA9 + 0x2749D,
        "squeezed": 0x5B + 0x46,
    }
    assert nonzero("softnet", "linux-6.18") == {"processed": 0x49941 + 0x54EF9}
