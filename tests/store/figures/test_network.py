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
    assert "net_drops_per_s" not in d.series
    assert d.net.devices == ["eth0"]
    assert list(d.net.left_out) == ["lo", "bond0", "eth0.100"]


def test_packets_that_are_dropped() -> None:
    """Both ways together, and only where both are recorded."""
    columns = {
        f"netdev.eth0.{way}_{what}": [0, n]
        for way, n in (("rx", 3), ("tx", 4))
        for what in ("packets", "dropped", "errors")
    }
    d = derived(host({**columns, "netdev.eth0.rx_bytes": [0, 9]}, [0, 1]))
    for name in ("packets", "drops", "errors"):
        assert d.series[f"net_{name}_per_s"].mean == 7
    del columns["netdev.eth0.tx_dropped"]
    d = derived(host({**columns, "netdev.eth0.rx_bytes": [0, 9]}, [0, 1]))
    assert "net_drops_per_s" not in d.series
