"""Figures of NFS mounts, by hand; test_nfsiostat compares with the real program."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import derived, growing

from mpi_collector.node.row.layout import MISSING

#: per second
RATES = {
    "nfs./mnt/a.server_read_bytes": 1000,
    "nfs./mnt/b.server_read_bytes": 500,
    "nfs./mnt/a.server_write_bytes": 100,
    "nfs./mnt/a.READ_ops": 10,
    "nfs./mnt/a.READ_transmissions": 12,
    "nfs./mnt/a.READ_rtt_ms": 40,
    "nfs./mnt/b.READ_ops": 30,
    "nfs./mnt/b.READ_transmissions": 30,
    "nfs./mnt/b.READ_rtt_ms": 40,
    "nfs./mnt/a.READ_execute_ms": 120,
    "nfs./mnt/b.READ_execute_ms": 0,
    "nfs./mnt/a.GETATTR_ops": 0,
    "nfs./mnt/a.GETATTR_rtt_ms": 0,
    "nfs./mnt/a.LOOKUP_ops": 8,
    "nfs./mnt/a.LOOKUP_rtt_ms": 4,
    "nfs./mnt/a.LOOKUP_transmissions": 8,
    "nfs./mnt/a.WRITE_ops": 0,
    "nfs./mnt/a.WRITE_transmissions": 0,
    "nfs./mnt/a.WRITE_rtt_ms": 0,
}


def test_by_hand() -> None:
    series = derived(growing(RATES)).series
    mean = {name: s.mean for name, s in series.items()}
    assert mean["nfs_read_bytes_per_s"] == pytest.approx(1500, rel=0.01)
    assert mean["nfs_write_bytes_per_s"] == pytest.approx(100, rel=0.02)
    assert mean["nfs_iops"] == pytest.approx(48, rel=0.02)
    assert mean["nfs_read_rtt_ms"] == pytest.approx(2, rel=0.02)  # 80 ms for 40 reads
    assert mean["nfs_read_execute_ms"] == pytest.approx(3, rel=0.02)
    assert mean["nfs_lookup_rtt_ms"] == pytest.approx(0.5, rel=0.02)
    assert mean["nfs_retransmit_percent"] == pytest.approx(100 * 2 / 48, rel=0.05)
    assert np.isnan(mean["nfs_write_rtt_ms"])
    assert "nfs_getattr_rtt_ms" not in mean  # there was none


def test_mount_that_goes_away() -> None:
    """Missing rows are not known; they are no zeros."""
    host = growing(RATES)
    for name in host.columns:
        if name.startswith("nfs./mnt/b"):
            host.columns[name][5:] = MISSING
    values = derived(host).series["nfs_read_bytes_per_s"].values
    assert values[0] == pytest.approx(1500, rel=0.05)
    assert values[-1] == pytest.approx(1000, rel=0.05)


def test_interval_in_which_nothing_was_read() -> None:
    """How many operations there were is unknown, not 0."""
    host = growing(RATES)
    for values in host.columns.values():
        values[5] = MISSING
    series = derived(host).series
    for name in ("nfs_iops", "nfs_retransmit_percent"):
        assert np.isnan(series[name].values[4:6]).all()
        assert np.isfinite(series[name].values[:4]).all()
    assert series["nfs_iops"].mean == pytest.approx(48, rel=0.02)
