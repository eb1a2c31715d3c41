"""The suite's time-series collectors."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in_hosts import StandInHosts

from mpi_collector.mlpstorage import MultiHostTimeSeriesCollector, TimeSeriesCollector
from mpi_collector.mlpstorage.samples import evenly_spread

SUITE = ("diskstats", "vmstat", "meminfo", "loadavg", "netdev")


def check_samples(samples: list[dict[str, Any]]) -> None:
    assert all(set(SUITE) <= set(s) for s in samples)
    assert [s["tick"] for s in samples][-1] == -1
    ticks = [s["tick"] for s in samples[:-1]]
    assert ticks == sorted(set(ticks))
    assert all(a["timestamp_ns"] < b["timestamp_ns"] for a, b in pairwise(samples[:-1]))


def wait_until(what: Any, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


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
    wait_until(lambda: len(collector.samples) >= 4)
    samples = collector.stop()
    assert samples == collector.samples
    assert collector.end_time
    assert not collector.is_running
    assert len(samples) >= 5
    check_samples(samples)
    assert collector.stop() is samples  # the suite stops twice when a signal arrives
    with pytest.raises(RuntimeError, match="already stopped"):
        collector.start()


@pytest.mark.parametrize("most", [1, 2, 3, 10, 16])
def test_exactly_so_many_of_more(most: int) -> None:
    """First and last included, the others evenly between them; the end is never what is missing."""
    collector = TimeSeriesCollector(interval_seconds=0.02, max_samples=most)
    collector.start()
    first_ns = collector.samples[0]["timestamp_ns"]
    time.sleep(1)
    assert len(collector.samples) <= most
    samples = collector.stop()
    assert len(samples) == most
    times = [s["timestamp_ns"] for s in samples]
    assert samples[-1]["tick"] == -1
    if most > 1:
        assert 0 <= times[0] - first_ns < 0.3e9  # the first tick may have been missed
        share = (times[-1] - times[0]) / (most - 1)
        for n, at in enumerate(times):
            assert abs(at - times[0] - n * share) < 0.3e9  # a busy machine misses ticks


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 30))
def test_evenly_spread(gaps: list[int], most: int) -> None:
    times = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    chosen = evenly_spread(times, most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(most, len(times))
    assert chosen[-1] == len(times) - 1
    assert most == 1 or chosen[0] == 0


def test_ten_of_thirty() -> None:
    assert evenly_spread(list(range(30)), 10) == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]


def test_the_multi_host_collector(stand_ins: StandInHosts) -> None:
    """This host, two others, and one that does not exist: real samples of three, an error of the fourth."""
    names = ["localhost:4", "localhost", "far-1:8", "far-2", "nohost.invalid"]
    collector = MultiHostTimeSeriesCollector(names, interval_seconds=0.1, ssh_timeout=10)
    assert collector.hosts == ["localhost", "far-1", "far-2", "nohost.invalid"]
    with pytest.raises(RuntimeError, match="not started"):
        collector.stop()
    collector.start()
    with pytest.raises(RuntimeError, match="already started"):
        collector.start()
    real = ["localhost", "far-1", "far-2"]
    # they are there while the collector runs
    wait_until(lambda: all(len(collector.samples_by_host[h]) >= 3 for h in real))
    assert collector.get_hosts_with_data() == real
    found = collector.stop()
    assert collector.get_hosts_with_data() == real
    for host in real:
        check_samples(found[host])
    (failed,) = found["nohost.invalid"]
    assert list(failed["errors"]) == ["ssh"]
    assert "Could not resolve" in failed["errors"]["ssh"]
    assert collector.stop() is found
    assert collector.samples_by_host is found


@pytest.mark.parametrize("how", ["power_off", "freeze"])
def test_a_host_fails_in_the_middle(stand_ins: StandInHosts, how: str) -> None:
    """What it had sampled is there, and why there is no more; the stop takes the interval and 10 s at most."""
    interval_s = 0.1
    collector = MultiHostTimeSeriesCollector(
        ["far-1", "far-2"], interval_seconds=interval_s, ssh_timeout=5
    )
    collector.start()
    wait_until(lambda: len(collector.samples_by_host["far-2"]) >= 5)
    getattr(stand_ins, how)("far-2")
    failed_ns = time.time_ns()
    time.sleep(1)
    found = collector.stop()
    check_samples(found["far-1"])
    *kept, error = found["far-2"]
    assert len(kept) >= 5
    assert [s["tick"] for s in kept] == list(range(len(kept)))
    assert all(set(SUITE) <= set(s) for s in kept)
    assert all(s["timestamp_ns"] <= failed_ns for s in kept)
    assert set(error) == {"timestamp", "hostname", "errors"}
    # half of its time was for the stop of the host, and no other time-out
    assert f"no answer within {(interval_s + 10) / 2:g} s" in error["errors"]["ssh"]
    assert "last --replicate" in error["errors"]["ssh"]
    assert found["far-1"][-1]["timestamp_ns"] > failed_ns
    assert collector.get_hosts_with_data() == ["far-1", "far-2"]


def test_a_host_with_two_names() -> None:
    """The suite samples it twice; here both names have the samples of the one host."""
    import socket

    collector = MultiHostTimeSeriesCollector(["localhost", socket.gethostname()], 0.1)
    collector.start()
    time.sleep(0.3)
    found = collector.stop()
    first, second = found.values()
    assert first == second
    assert collector.get_hosts_with_data() == list(found)


def test_nothing_stays(stand_ins: StandInHosts) -> None:
    """No spool, no agent and no copy of a spool."""
    shm = Path("/dev/shm")
    before = {p.name for p in shm.glob("mpi_collector-*/*")}
    collector = MultiHostTimeSeriesCollector(["far-1", "localhost"], interval_seconds=0.1)
    collector.start()
    wait_until(lambda: collector.get_hosts_with_data() == ["far-1", "localhost"])
    collector.stop()
    left = {p.name for p in shm.glob("mpi_collector-*/*")} - before
    assert not {name for name in left if name.startswith("series-")}
    wait_until(lambda: not stand_ins.processes())
