"""Figures of network interfaces."""

from __future__ import annotations

from derived_host import derived, host


def test_physical_interfaces_count() -> None:
    columns = {}
    for name in ("lo", "eth0", "bond0", "eth0.100"):
        columns |= {f"netdev.{name}.rx_bytes": [0, 1000], f"netdev.{name}.tx_bytes": [0, 10]}
    d = derived(host(columns, [0, 1]))
    assert d.series["net_rx_bytes_per_s"].mean == 1000
    assert d.series["net_tx_bytes_per_s"].mean == 10
    assert d.net.devices == ["eth0"]
    assert list(d.net.left_out) == ["lo", "bond0", "eth0.100"]
