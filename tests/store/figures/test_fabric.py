"""Figures of fabrics."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import derived, growing

from mpi_collector.node.row.layout import MISSING

RATES = {
    "infiniband.mlx5_0/1.port_rcv_data": 4000,
    "infiniband.mlx5_1/1.port_rcv_data": 1000,
    "slingshot.cxi0.hni_sts_rx_ok_octets": 2000,
    "slingshot.cxi0.hni_sts_tx_ok_octets": 10,
}


def test_ports_of_all_kinds_add_up() -> None:
    series = derived(growing(RATES)).series
    assert series["fabric_rx_bytes_per_s"].mean == pytest.approx(7000)
    assert series["fabric_tx_bytes_per_s"].mean == pytest.approx(10)


def test_interval_in_which_nothing_was_read() -> None:
    """What crossed the fabric is unknown, not 0."""
    host = growing(RATES)
    for values in host.columns.values():
        values[5] = MISSING
    values = derived(host).series["fabric_rx_bytes_per_s"].values
    assert np.isnan(values[4:6]).all()
    assert np.isfinite(values[:4]).all()


def test_errors_retransmits_and_congestion() -> None:
    """Summed over ports; not those of a card that shows the counters of its port."""
    rates = {
        "infiniband.mlx5_0/1.symbol_error": 1,
        "infiniband.mlx5_0/1.port_xmit_discards": 2,
        "infiniband.mlx5_1/1.out_of_buffer": 4,
        "infiniband.mlx5_0/1.packet_seq_err": 8,
        "infiniband.mlx5_0/1.rp_cnp_handled": 16,
        "infiniband.mlx5_0.rp_cnp_handled": 16,
    }
    d = derived(growing(rates))
    found = {n: round(s.mean, 6) for n, s in d.series.items() if n.startswith("fabric_")}
    assert found == {
        "fabric_errors_per_s": 7,
        "fabric_retransmits_per_s": 8,
        "fabric_congestion_per_s": 16,
    }
