"""Figures of live vectors are those that a recording of the same growth has."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.agent.live import LIVE_COLUMNS, LIVE_VECTOR, NO_VECTOR
from mpi_collector.store.figures import BY_NAME
from mpi_collector.store.live_figures import live_figures

_ONE = {
    ("stat", "user"): 150, ("stat", "nice"): 0, ("stat", "system"): 30, ("stat", "idle"): 200, ("stat", "iowait"): 15,
    ("stat", "irq"): 1, ("stat", "softirq"): 4, ("stat", "steal"): 0, ("diskstats", "sectors_read"): 4000,
    ("diskstats", "sectors_written"): 8000, ("diskstats", "reads_completed"): 20, ("diskstats", "writes_completed"): 40,
    ("netdev", "rx_bytes"): 1000, ("netdev", "tx_bytes"): 3000, ("meminfo", "MemTotal"): 1000, ("meminfo", "MemAvailable"): 400,
    ("pressure", "cpu.some_us"): 20_000, ("pressure", "io.some_us"): 200_000, ("pressure", "memory.some_us"): 0,
    ("diskstats", "time_reading_ms"): 60, ("diskstats", "time_writing_ms"): 80,
    ("diskstats", "weighted_time_doing_ios_ms"): 140, ("meminfo", "Dirty"): 7,
}  # fmt: skip
_FIGURES = {
    "cpu_busy_percent": 46.25, "cpu_iowait_percent": 3.75, "cpu_steal_percent": 0, "read_bytes_per_s": 1_024_000,
    "write_bytes_per_s": 2_048_000, "read_iops": 10, "write_iops": 20, "read_latency_ms": 3, "write_latency_ms": 2,
    "queue_depth": 0.07, "net_rx_bytes_per_s": 500, "net_tx_bytes_per_s": 1500, "memory_used_bytes": 600 * 1024,
    "dirty_bytes": 7 * 1024, "pressure_cpu_percent": 1, "pressure_io_percent": 10, "pressure_memory_percent": 0,
}  # fmt: skip


def vector(**changed: Any) -> dict[str, Any]:
    """Return a vector of two seconds."""
    grown = [_ONE[source, field] for source, _device, field in LIVE_COLUMNS]
    return {"tick": 5, "missed": 0, "ns": 2 * 10**9, "grown": grown, **changed}


def test_by_hand() -> None:
    for name, values in live_figures([vector()]).items():
        if name in _FIGURES:
            assert values.tolist() == pytest.approx([_FIGURES[name]]), name
    assert set(_FIGURES) <= set(live_figures([vector()]))
    assert live_figures([]) == {}


def test_hosts_do_not_touch_each_other() -> None:
    """What one host has done, or not told, changes no figure of another; nothing unknown becomes a zero."""
    still = vector(grown=[100 if s == "stat" and f == "idle" else 0 for s, _d, f in LIVE_COLUMNS])
    odd = vector(grown=[None] * len(LIVE_COLUMNS))
    short = vector(grown=vector()["grown"][:10])
    alone = live_figures([vector()])
    for before in ([], [still], [odd], [dict(NO_VECTOR)], [short, odd, dict(NO_VECTOR)]):
        found = live_figures([*before, vector(), *before])
        for name, values in alone.items():
            assert found[name][len(before)] == values[0], (name, before)
    unknown = live_figures([vector(), odd, dict(NO_VECTOR)])
    for name, values in unknown.items():
        assert [math.isnan(v) for v in values] == [False, True, True], name
    of_short = live_figures([vector(), short])
    assert not math.isnan(of_short["read_bytes_per_s"][1])
    assert math.isnan(of_short["read_iops"][1])


def test_impossible_growth_is_unknown() -> None:
    """As in a recording: more CPU time than there was, more bytes than any disk moves, a counter that fell."""
    grown = vector()["grown"]
    columns = [(s, f) for s, _d, f in LIVE_COLUMNS]
    for at, value, figure in (
        (columns.index(("diskstats", "sectors_read")), 1 << 50, "read_bytes_per_s"),
        (columns.index(("netdev", "rx_bytes")), -5, "net_rx_bytes_per_s"),
    ):
        odd = vector(grown=[value if i == at else v for i, v in enumerate(grown)])
        values = live_figures([vector(), odd, vector()])[figure]
        assert [math.isnan(v) for v in values] == [False, True, False]


_VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 1000))
_VECTORS = st.fixed_dictionaries(
    {
        "tick": st.integers(-1, 2**63 - 1),
        "missed": st.integers(0, 1 << 48),
        "ns": st.integers(0, 2**63 - 1),
        "grown": st.lists(_VALUES, max_size=len(LIVE_COLUMNS)),
    }
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_VECTORS, min_size=1, max_size=4))
def test_any_vector_that_has_the_form(odd: list[dict[str, Any]]) -> None:
    """It raises nothing, and a host that keeps to sense beside it has its figures."""
    for one in odd:
        LIVE_VECTOR.check(one)
    found = live_figures([*odd, vector()])
    assert set(found) <= set(BY_NAME)
    assert all(len(values) == len(odd) + 1 for values in found.values())
