"""The suite's time-series collectors."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from mpi_collector.mlpstorage import (
    MultiHostTimeSeriesCollector,
    TimeSeriesCollector,
)

SUITE = ("diskstats", "vmstat", "meminfo", "loadavg", "netdev")


def check_samples(samples: list[dict[str, object]], interval_s: float) -> None:
    assert all(set(SUITE) <= set(s) for s in samples)
    assert [s["tick"] for s in samples][-1] == -1
    gaps = [b["timestamp_ns"] - a["timestamp_ns"] for a, b in pairwise(samples[:-1])]  # type: ignore[operator]
    assert all(g > 0.2e9 * interval_s for g in gaps)


def test_the_local_collector() -> None:
    collector = TimeSeriesCollector(interval_seconds=0.05)
    assert (collector.samples, collector.start_time, collector.end_time, collector.is_running) == (
        [],
        None,
        None,
        False,
    )
    with pytest.raises(RuntimeError, match="not started"):
        collector.stop()
    collector.start()
    assert collector.is_running
    with pytest.raises(RuntimeError, match="already started"):
        collector.start()
    time.sleep(0.5)
    assert len(collector.samples) >= 4
    samples = collector.stop()
    assert samples == collector.samples
    assert collector.end_time
    assert not collector.is_running
    assert len(samples) >= 6
    check_samples(samples, 0.05)
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.stop()
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.start()


@pytest.mark.parametrize("most", [1, 2, 3, 16])
def test_the_end_of_the_run_is_never_what_is_missing(most: int) -> None:
    collector = TimeSeriesCollector(interval_seconds=0.02, max_samples=most)
    collector.start()
    time.sleep(1.2)
    before = time.time_ns()
    samples = collector.stop()
    assert 1 <= len(samples) <= most
    assert abs(samples[-1]["timestamp_ns"] - before) < 1e9
    if most == 16:
        assert samples[0]["tick"] == 0


def test_the_multi_host_collector_on_this_host() -> None:
    collector = MultiHostTimeSeriesCollector(
        ["localhost:4", "localhost", "nohost.invalid"], interval_seconds=0.1, ssh_timeout=5
    )
    assert collector.hosts == ["localhost", "nohost.invalid"]
    with pytest.raises(RuntimeError, match="not started"):
        collector.stop()
    collector.start()
    with pytest.raises(RuntimeError, match="already started"):
        collector.start()
    time.sleep(0.8)
    found = collector.stop()
    assert collector.get_hosts_with_data() == ["localhost"]
    check_samples(found["localhost"], 0.1)
    assert len(found["localhost"]) >= 5
    (failed,) = found["nohost.invalid"]
    assert list(failed["errors"]) == ["ssh"]
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.stop()
