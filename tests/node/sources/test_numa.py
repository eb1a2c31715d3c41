"""NUMA nodes of a real kernel."""

from __future__ import annotations

import time
from pathlib import Path

from nodekit import (
    FIXTURES,
)
from sampled_tree import Tree, sampled
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


def test_a_node_that_comes_later(tmp_path: Path) -> None:
    """Memory that is added while the machine runs has a place."""
    tree = Tree(tmp_path / "root")

    def node(n: int, hit: int) -> None:
        at = f"sys/devices/system/node/node{n}"
        tree.write(f"{at}/numastat", f"numa_hit {hit}\nnuma_miss 0\n")
        tree.write(f"{at}/meminfo", f"Node {n} MemFree: {hit} kB\n")

    node(0, 5)
    found = sampled(tree, tmp_path / "results", "numa", lambda: node(2, 7), lambda: time.sleep(0.5))
    assert found.known("numa.node2.numa_hit") and found.columns["numa.node2.numa_hit"][0] is None
    assert found.about("numa") == []
