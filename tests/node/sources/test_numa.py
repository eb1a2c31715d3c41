"""NUMA nodes of a real kernel."""

from __future__ import annotations

from nodekit import (
    FIXTURES,
)
from sourcekit import nonzero


def test_numa() -> None:
    found = nonzero("numa", "linux-6.18")
    lines = (FIXTURES / "linux-6.18/sys/devices/system/node/node0/meminfo").read_text().split("\n")
    assert found["node0.MemTotal_kB"] == next(
        int(line.split()[3]) for line in lines if "MemTotal" in line
    )
    assert {
        "node0.numa_hit",
        "node0.local_node",
        "node0.interleave_hit",
        "node0.FilePages_kB",
    } <= set(found)
