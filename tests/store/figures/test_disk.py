"""Figures of block devices, on numbers that a reader can check in the head."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import derived, disk, host


def test_bytes_and_requests_per_second() -> None:
    """Sectors are 512 bytes, and the time is what really passed, not the nominal interval."""
    columns = disk(sectors_read=[0, 2000, 2000], reads_completed=[5, 25, 25])
    d = derived(host(columns, [0, 2.0, 3.0]))
    assert d.series["read_bytes_per_s"].values.tolist() == [512_000, 0]
    assert d.series["read_bytes_per_s"].mean == pytest.approx(2000 * 512 / 3)
    assert d.series["read_iops"].values.tolist() == [10, 0]
    assert d.series["read_iops"].peak == 10
    assert "write_bytes_per_s" not in d.series


def test_writes() -> None:
    columns = disk(sectors_written=[0, 4], writes_completed=[0, 2], time_writing_ms=[0, 3])
    d = derived(host(columns | disk(sectors_read=[0, 0]), [0, 0.5]))
    assert d.series["write_bytes_per_s"].mean == 4096
    assert d.series["write_iops"].mean == 4
    assert d.series["write_latency_ms"].mean == 1.5


def test_latency_is_weighted_by_requests() -> None:
    """The mean is over requests, not intervals; without requests the latency is unknown, not 0."""
    columns = disk(
        sectors_read=[0] * 4, reads_completed=[0, 1, 100, 100], time_reading_ms=[0, 50, 248, 248]
    )
    series = derived(host(columns, [0, 1, 2, 3])).series["read_latency_ms"]
    assert series.values[:2].tolist() == [50, 2]
    assert np.isnan(series.values[2])
    assert series.mean == pytest.approx(2.48)
    assert series.peak == 50


def test_utilisation_and_queue() -> None:
    """Two devices: the mean and the busiest; queues add up. More than 100 % stays what it is."""
    columns = disk(
        "sda", sectors_read=[0, 0], time_doing_ios_ms=[0, 500], weighted_time_doing_ios_ms=[0, 3000]
    )
    columns |= disk(
        "sdb",
        sectors_read=[0, 0],
        time_doing_ios_ms=[0, 1004],
        weighted_time_doing_ios_ms=[0, 1500],
    )
    d = derived(host(columns, [0, 1]))
    assert d.series["utilisation_percent"].mean == pytest.approx(75.2)
    assert d.series["utilisation_max_percent"].peak == pytest.approx(100.4)
    assert d.series["queue_depth"].mean == pytest.approx(4.5)
