"""NUMA: memory that was allocated away from where it was wanted, from numa (numastat.rst)."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import NO_OUTLIERS, Group, NoChart

NUMA = Subject(order=130, group=Group.KERNEL, optional=True)
MISS = NUMA.figure(
    "numa_miss_percent",
    "NUMA misses",
    "%",
    "mean",
    "pages that were allocated on another node than the preferred one, of all that were allocated",
    hidden_when_zero=True,
    undefined_when_idle=True,
)
OTHER = NUMA.figure(
    "numa_other_node_percent",
    "allocated on another node",
    "%",
    "mean",
    "pages that were allocated by a process that ran on another node, of all that were allocated",
    chart=NoChart("misses are drawn"),
    hidden_when_zero=True,
    undefined_when_idle=True,
)
FREE_MIN = NUMA.figure(
    "numa_free_min_bytes",
    "free memory, fullest node",
    "bytes",
    "mean",
    "memory that is not used at all on the NUMA node that has the least of it",
    chart=NoChart("the memory of the host is drawn"),
    outlier_floor=NO_OUTLIERS,
)
_PAIRS = ((MISS, "numa_miss", "numa_hit"), (OTHER, "other_node", "local_node"))


@NUMA.computed_by
def derive_numa(host: Deriver) -> None:
    """Add the figures of all nodes, unless there is only one."""
    nodes = host.devices("numa", "numa_hit")
    if len(nodes) < 2:
        return
    for figure, away, here in _PAIRS:
        elsewhere = host.total("numa", nodes, away)
        as_wanted = host.total("numa", nodes, here)
        if elsewhere is not None and as_wanted is not None:
            host.add_percent(figure, elsewhere, elsewhere + as_wanted)
    free_kb = [host.level(f"numa.{node}.MemFree_kB") for node in host.devices("numa", "MemFree_kB")]
    host.add(FREE_MIN, np.fmin.reduce(free_kb) * 1024 if free_kb else None)
