"""Figures of NFS, Lustre, fabrics, TCP and pressure: the arithmetic, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.node.layout import MISSING
from mpi_collector.store.derived import OPTIONAL, derive

#: per second, over 10 intervals of a second
RATES = {
    "nfs./mnt/a.server_read_bytes": 1000, "nfs./mnt/b.server_read_bytes": 500, "nfs./mnt/a.server_write_bytes": 100,
    "nfs./mnt/a.READ_ops": 10, "nfs./mnt/a.READ_transmissions": 12, "nfs./mnt/a.READ_rtt_ms": 40,
    "nfs./mnt/b.READ_ops": 30, "nfs./mnt/b.READ_transmissions": 30, "nfs./mnt/b.READ_rtt_ms": 40,
    "nfs./mnt/a.WRITE_ops": 0, "nfs./mnt/a.WRITE_transmissions": 0, "nfs./mnt/a.WRITE_rtt_ms": 0,
    "lustre.llite/x.read_bytes_sum": 777, "lustre.osc/x-OST0.read_bytes_sum": 777, "infiniband.mlx5_0/1.port_rcv_data": 4000,
    "infiniband.mlx5_1/1.port_rcv_data": 1000, "slingshot.cxi0.hni_sts_rx_ok_octets": 2000, "tcp.Tcp.RetransSegs": 3, "tcp.Tcp.OutSegs": 60, "pressure.io.some_us": 250_000,
}  # fmt: skip


@pytest.fixture
def figures(tmp_path: Path) -> dict[str, float]:
    host = sy.workload(0, 11)
    host.columns.update({name: sy.counter(float(rate), host.times) for name, rate in RATES.items()})
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [("a", host)])
    with mpi_collector.load(path) as run:
        return {name: series.mean for name, series in derive(run["a"]).series.items() if name in OPTIONAL}


def test_by_hand(figures: dict[str, float]) -> None:
    assert figures["nfs_read_bytes_per_s"] == pytest.approx(1500, rel=0.01)
    assert figures["nfs_write_bytes_per_s"] == pytest.approx(100, rel=0.02)
    assert figures["nfs_iops"] == pytest.approx(40, rel=0.02)
    assert figures["nfs_read_rtt_ms"] == pytest.approx(2, rel=0.02)  # 80 ms for 40 reads
    assert figures["nfs_retransmit_percent"] == pytest.approx(5, rel=0.05)
    assert np.isnan(figures["nfs_write_rtt_ms"])
    assert figures["lustre_read_bytes_per_s"] == pytest.approx(777, rel=0.01)  # once, not for the target again
    assert figures["fabric_rx_bytes_per_s"] == pytest.approx(7000, rel=0.01)
    assert figures["tcp_retransmit_percent"] == pytest.approx(5, rel=0.05)
    assert figures["pressure_io_percent"] == pytest.approx(25, rel=0.01)


def test_what_was_not_recorded_is_not_there(tmp_path: Path) -> None:
    path = sy.cluster(tmp_path / "host_20260105_120000_timeseries.npz", 1, 20)
    with mpi_collector.load(path) as run:
        assert not OPTIONAL & set(derive(run["node001"]).series)


def test_a_mount_that_goes_away(tmp_path: Path) -> None:
    """Missing rows are not known; they are no zeros."""
    host = sy.workload(0, 11)
    host.columns.update({name: sy.counter(float(rate), host.times) for name, rate in RATES.items()})
    for name in host.columns:
        if name.startswith("nfs./mnt/b"):
            host.columns[name][5:] = MISSING
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [("a", host)])
    with mpi_collector.load(path) as run:
        values = derive(run["a"]).series["nfs_read_bytes_per_s"].values
        assert values[0] == pytest.approx(1500, rel=0.05)
        assert values[-1] == pytest.approx(1000, rel=0.05)


def test_an_interval_in_which_nothing_was_read(tmp_path: Path) -> None:
    """It is unknown how many operations there were and what crossed the fabric; not 0."""
    host = sy.workload(0, 11)
    host.columns.update({name: sy.counter(float(rate), host.times) for name, rate in RATES.items()})
    for name in host.columns:
        if name.startswith(("nfs.", "infiniband.", "slingshot.")):
            host.columns[name][5] = MISSING
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [("a", host)])
    with mpi_collector.load(path) as run:
        series = derive(run["a"]).series
    for name in ("nfs_iops", "nfs_retransmit_percent", "fabric_rx_bytes_per_s"):
        assert np.isnan(series[name].values[4:6]).all()
        assert np.isfinite(series[name].values[:4]).all()
    assert series["nfs_iops"].mean == pytest.approx(40, rel=0.02)
