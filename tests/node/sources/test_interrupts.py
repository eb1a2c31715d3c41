"""Interrupts of real kernels."""

from __future__ import annotations

from sourcekit import nonzero


def test_interrupts() -> None:
    """Per device and card, summed over queues and CPUs."""
    assert nonzero("interrupts", "linux-4.18") == {
        "CAL.count": 200494, "HVS.count": 2162552, "HYP.count": 299534, "LOC.count": 2576, "MCP.count": 14, "RES.count": 953843, "rtc.count": 1,
    }  # fmt: skip
    assert nonzero("interrupts", "mlx5-12cpu") == {
        "mlx5_async@pci:0000:01:00.0.count": 23274,
        "mlx5_async@pci:0000:01:00.1.count": 8563,
        "mlx5_comp@pci:0000:01:00.0.count": 324 + 4360 + 395218 + 416057 + 1024467 + 44,
    }
    assert "virtio1-req.count" in nonzero("interrupts", "linux-6.18")
