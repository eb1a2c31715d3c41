"""The job's cgroup: both versions, devices that are built on others."""

from __future__ import annotations

import pytest
from derived_host import derived, host

TIMES = [0, 10, 20]


def test_version_1() -> None:
    """Times in nanoseconds, the limit's hits."""
    columns = {
        "cgroup.cpu.usage_ns": [0, 4 * 10**10, 8 * 10**10],
        "cgroup.cpu.throttled_time": [0, 10**10, 2 * 10**10],
        "cgroup.memory.memory_limit_hits": [0, 30, 60],
    }
    series = derived(host(columns, TIMES)).series
    assert series["cgroup_cpu_cores"].mean == pytest.approx(4)
    assert series["cgroup_throttled_cores"].mean == pytest.approx(1)
    assert series["cgroup_memory_events_per_s"].mean == pytest.approx(3)
    assert "cgroup_throttled_percent" not in series


def test_no_limit() -> None:
    """Without a limit there are no periods: the share is unknown, and not 0."""
    columns = {"cgroup.cpu.nr_periods": [0, 0, 0], "cgroup.cpu.nr_throttled": [0, 0, 0]}
    series = derived(host(columns, TIMES)).series["cgroup_throttled_percent"]
    assert series.known_s == 0


@pytest.mark.parametrize("numbers", [True, False])
def test_devices_that_are_built_on_others(numbers: bool) -> None:
    """io.stat has the same bytes at a volume and at its drive: they count at the drive."""
    columns = {
        "diskstats.sda.sectors_read": [0, 0, 0],
        "diskstats.dm-0.sectors_read": [0, 0, 0],
        "cgroup.8:0.read_bytes": [0, 10**9, 2 * 10**9],
        "cgroup.253:0.read_bytes": [0, 10**9, 2 * 10**9],
    }
    made = host(columns, TIMES)
    block = {
        "sda": {"kind": "disk", "leaf": True, "parents": [], "number": "8:0"},
        "dm-0": {"kind": "dm", "leaf": False, "parents": ["sda"], "number": "253:0"},
    }
    if not numbers:
        block = {name: {**about, "number": None} for name, about in block.items()}
    made.meta["topology"] = {"block": block}
    series = derived(made).series["cgroup_read_bytes_per_s"]
    assert series.mean == pytest.approx(1e8 if numbers else 2e8)
