"""Hosts that stand out of their peers, by robust z, and what differs in them."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.disk import READ_BYTES, WRITE_BYTES
from mpi_collector.store.figures.network import RX_BYTES, TX_BYTES
from mpi_collector.why.slow_hosts import HostRates, slow_hosts

READ = READ_BYTES.name
OTHERS = dict.fromkeys((WRITE_BYTES.name, RX_BYTES.name, TX_BYTES.name), 0.0)


def _hosts(
    rates: list[float], odd: dict[int, dict[str, str]] | None = None
) -> dict[str, HostRates]:
    usual = {"governor": "performance", "kernel": "Linux version 6.8.0"}
    return {
        f"node{n}": HostRates({READ: rate, **OTHERS}, {**usual, **(odd or {}).get(n, {})})
        for n, rate in enumerate(rates)
    }


def test_one_of_many_is_named_with_what_differs() -> None:
    rng = np.random.default_rng(1)
    rates = list(1e9 * (1 + 0.03 * rng.standard_normal(64)))
    rates[17] = 0.8e9
    found = slow_hosts("read", _hosts(rates, {17: {"governor": "powersave"}}))
    assert [s["host"] for s in found] == ["node17"]
    assert found[0]["figure"] == READ
    assert 0.75 < found[0]["ratio"] < 0.85
    assert found[0]["z"] < -3.5
    assert found[0]["differs"] == ["governor: powersave instead of performance"]


def test_hosts_that_differ_as_their_peers_do_are_not_named() -> None:
    rng = np.random.default_rng(2)
    assert slow_hosts("read", _hosts(list(1e9 * (1 + 0.15 * rng.standard_normal(64))))) == []


def test_equal_hosts_with_one_a_little_slower() -> None:
    """Where all others are equal, 5 % is far outside of their spread, and still does not matter."""
    assert slow_hosts("read", _hosts([1e9] * 15 + [0.95e9])) == []


def test_a_fast_host_is_not_slow() -> None:
    assert slow_hosts("read", _hosts([1e9] * 15 + [3e9])) == []


def test_three_hosts_have_no_spread() -> None:
    assert slow_hosts("read", _hosts([1e9, 1e9, 0.1e9])) == []


def test_what_is_not_known_is_no_rate_of_zero() -> None:
    assert slow_hosts("read", _hosts([1e9] * 8 + [float("nan")])) == []


def test_a_phase_without_traffic_names_nobody() -> None:
    assert slow_hosts("compute", _hosts([1e3] * 8 + [10.0])) == []
