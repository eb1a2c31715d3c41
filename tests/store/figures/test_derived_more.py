"""Figures of NFS, Lustre, fabrics, TCP and pressure: the arithmetic, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import OK, SKIPPED, SLOW
from mpi_collector.store.figures import FIGURES, derive
from mpi_collector.store.figures.base import Derived

OPTIONAL = {f.name for f in FIGURES if f.optional}

#: per second, over 10 intervals of a second
RATES = {
    "nfs./mnt/a.server_read_bytes": 1000, "nfs./mnt/b.server_read_bytes": 500, "nfs./mnt/a.server_write_bytes": 100,
    "nfs./mnt/a.READ_ops": 10, "nfs./mnt/a.READ_transmissions": 12, "nfs./mnt/a.READ_rtt_ms": 40,
    "nfs./mnt/b.READ_ops": 30, "nfs./mnt/b.READ_transmissions": 30, "nfs./mnt/b.READ_rtt_ms": 40,
    "nfs./mnt/a.READ_execute_ms": 120, "nfs./mnt/b.READ_execute_ms": 0, "nfs./mnt/a.GETATTR_ops": 0, "nfs./mnt/a.GETATTR_rtt_ms": 0,
    "nfs./mnt/a.LOOKUP_ops": 8, "nfs./mnt/a.LOOKUP_rtt_ms": 4, "nfs./mnt/a.LOOKUP_transmissions": 8,
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
        return {
            name: series.mean
            for name, series in derive(run["a"]).series.items()
            if name in OPTIONAL
        }


def test_by_hand(figures: dict[str, float]) -> None:
    assert figures["nfs_read_bytes_per_s"] == pytest.approx(1500, rel=0.01)
    assert figures["nfs_write_bytes_per_s"] == pytest.approx(100, rel=0.02)
    assert figures["nfs_iops"] == pytest.approx(48, rel=0.02)
    assert figures["nfs_read_rtt_ms"] == pytest.approx(2, rel=0.02)  # 80 ms for 40 reads
    assert figures["nfs_read_execute_ms"] == pytest.approx(3, rel=0.02)
    assert figures["nfs_lookup_rtt_ms"] == pytest.approx(0.5, rel=0.02)
    assert "nfs_getattr_rtt_ms" not in figures  # there was none
    assert figures["nfs_retransmit_percent"] == pytest.approx(100 * 2 / 48, rel=0.05)
    assert np.isnan(figures["nfs_write_rtt_ms"])
    assert figures["lustre_read_bytes_per_s"] == pytest.approx(
        777, rel=0.01
    )  # once, not for the target again
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
    assert series["nfs_iops"].mean == pytest.approx(48, rel=0.02)


def recorded(
    tmp_path: Path, status: list[int], values: list[int], events: list[dict[str, object]]
) -> Derived:
    """One mount, rows a second apart, with the statuses of its source."""
    names = ("nfs./mnt/a.server_read_bytes", "nfs./mnt/a.READ_ops")
    columns = {name: np.array(values) for name in names}
    host = sy.SynthHost(
        *sy.grid(len(status), stop_s=None),
        columns,
        {"events": events},
        sources={"nfs": np.array(status)},
    )
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [("a", host)])
    with mpi_collector.load(path) as run:
        return derive(run["a"])


def test_a_source_that_is_not_read_at_every_tick(tmp_path: Path) -> None:
    """What it grew by over several ticks is spread over them; what is missing for another reason stays unknown."""
    M, every = MISSING, [OK, SKIPPED, SKIPPED, SKIPPED] * 2 + [OK, SLOW, OK, OK, SKIPPED, SLOW, OK]
    values = [1000, M, M, M, 1400, M, M, M, 3400, M, 3500, 3600, M, M, 3900]
    found = recorded(tmp_path, every, values, []).series["nfs_read_bytes_per_s"].values
    known = [100.0] * 4 + [500.0] * 4 + [np.nan, np.nan, 100.0, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(found, known, rtol=1e-6)


def test_a_source_that_was_slowed_is_reported(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [
        {"type": "slowed", "source": "nfs", "every": n, "tick": 8 * n, "cost_us": 31000}
        for n in (2, 4, 2)
    ]
    notes = recorded(
        tmp_path,
        [OK] * 4,
        [1, 2, 3, 4],
        [*events, {"type": "slowed"}, {"type": "slowed", "source": 7}],
    ).notes
    assert [n for n in notes if "budget" in n] == [
        "nfs: exceeded its time budget (mean 31 ms a read); read every 4th tick at worst"
    ]
