"""The slow host: named where it is slow, and nobody where all are alike. The bars: scripts/bench/live_bars."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_collector.store.slow_host import LEAST_HOSTS, SlowHosts

_WORK, _IDLE = 30, 10


def run(
    hosts: int, seconds: int, slow_from: int | None = None, by: float = 0.2, seed: int = 1
) -> list[tuple[int, int]]:
    """Return (second, host) of every name; host 3 is slow from ``slow_from`` on."""
    rng = np.random.default_rng(seed)
    level = 1 + 0.03 * rng.standard_normal(hosts)
    noise = np.zeros(hosts)
    watch = SlowHosts(hosts)
    names = []
    for second in range(seconds):
        noise = 0.8 * noise + 0.03 * rng.standard_normal(hosts)
        values = 1e6 * (level + noise)
        if slow_from is not None and second >= slow_from:
            values[3] *= 1 - by
        before = watch.slow
        watch.update(values if second % (_WORK + _IDLE) < _WORK else np.zeros(hosts))
        names += [(second, int(host)) for host in np.flatnonzero(watch.slow & ~before)]
        assert np.isfinite(watch.by).all()
    return names


@pytest.mark.parametrize("at", [405, 412])
def test_a_slow_host_is_named(at: int) -> None:
    names = run(300, 480, slow_from=at)
    assert [host for _second, host in names] == [3]
    assert names[0][0] <= at + 10


def test_nobody_is_slow() -> None:
    assert run(300, 2000) == []


def test_a_host_that_was_slow_from_the_start_is_its_level() -> None:
    """What a host has always is learned as usual; a small loss is none."""
    assert run(300, 800, slow_from=0, by=0.03) == []


@pytest.mark.parametrize("hosts", [1, 2, LEAST_HOSTS - 1])
def test_too_few_to_compare(hosts: int) -> None:
    watch = SlowHosts(hosts)
    for second in range(100):
        watch.update(np.full(hosts, 5.0 if second < 50 else 1.0))
    assert not watch.slow.any()


def test_unknown_values() -> None:
    """Hosts that tell nothing, all equal hosts, and idle ones: nobody is named, and nothing is raised."""
    watch = SlowHosts(20)
    rng = np.random.default_rng(1)
    for second in range(200):
        values = 100 + rng.standard_normal(20)
        values[0] = np.nan
        values[1] = np.nan if second % 7 else 100.0
        watch.update(np.full(20, np.nan) if second % 50 == 0 else values)
    assert not watch.slow.any()
    same = SlowHosts(20)
    for _ in range(100):
        same.update(np.full(20, 7.0))
    assert not same.slow.any()
