"""Memory at the end of each interval, from meminfo (proc(5), /proc/meminfo)."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import NO_OUTLIERS, Chart, Column

_FIELDS = ("MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SReclaimable", "Dirty")

MEMORY = Subject(order=40)
USED = MEMORY.figure(
    "memory_used_bytes",
    "memory used",
    "bytes",
    "sum",
    "MemTotal - MemAvailable, as free says; before Linux 3.14 without free, buffers, cache",
    columns=(Column("memory/peak", "peak"),),
)
PAGE_CACHE = MEMORY.figure(
    "page_cache_bytes",
    "page cache",
    "bytes",
    "sum",
    "Cached + Buffers, tmpfs and shared memory included",
    columns=(Column("page/cache"),),
)
DIRTY = MEMORY.figure(
    "dirty_bytes",
    "dirty",
    "bytes",
    "sum",
    "page cache that is waiting to be written back",
    chart=Chart(order=96),
    columns=(Column("dirty/peak", "peak"),),
    outlier_floor=NO_OUTLIERS,
)


@MEMORY.computed_by
def derive_memory(host: Deriver) -> None:
    """Add used memory, page cache and dirty memory, and keep the size of the memory."""
    level = {
        name: host.level(f"meminfo.{name}") * 1024
        for name in _FIELDS
        if f"meminfo.{name}" in host.columns
    }
    if "MemTotal" in level and np.isfinite(level["MemTotal"]).any():
        host.derived.memory_bytes = float(np.nanmax(level["MemTotal"]))
    if {"Buffers", "Cached"} <= level.keys():
        host.add(PAGE_CACHE, level["Buffers"] + level["Cached"])
    if {"MemTotal", "MemAvailable"} <= level.keys():
        host.add(USED, level["MemTotal"] - level["MemAvailable"])
    elif {"MemTotal", "MemFree", "Buffers", "Cached"} <= level.keys():
        used = level["MemTotal"] - level["MemFree"] - level["Buffers"] - level["Cached"]
        host.add(USED, used - level.get("SReclaimable", np.zeros(len(used))))
    if "Dirty" in level:
        host.add(DIRTY, level["Dirty"])
