"""Kinds and units of /proc/vmstat, which prints names and numbers alone."""

from __future__ import annotations

import pytest
from nodekit import TREES, text_of

from mpi_collector.node.row.decode import declare
from mpi_collector.node.sources import BY_NAME

#: kind and unit as mm/vmstat.c and include/linux/vm_event_item.h have them
KNOWN = {
    "nr_free_pages": ("gauge", "pages"),
    "nr_dirty": ("gauge", "pages"),
    "nr_dirtied": ("counter", "pages"),
    "nr_written": ("counter", "pages"),
    "nr_vmscan_write": ("counter", "pages"),
    "nr_kernel_stack": ("gauge", "kB"),
    "nr_anon_transparent_hugepages": ("gauge", "huge_pages"),
    "nr_tlb_remote_flush": ("counter", "flushes"),
    "nr_tlb_remote_flush_received": ("counter", "flushes"),
    "nr_tlb_local_flush_all": ("counter", "flushes"),
    "nr_tlb_local_flush_one": ("counter", "flushes"),
    "drop_pagecache": ("counter", "events"),
    "drop_slab": ("counter", "events"),
    "kswapd_low_wmark_hit_quickly": ("counter", "events"),
    "kswapd_high_wmark_hit_quickly": ("counter", "events"),
    "kswapd_inodesteal": ("counter", "pages"),
    "kswapd_steal": ("counter", "pages"),
    "pgscan_direct_throttle": ("counter", "events"),
    "pgscan_direct": ("counter", "pages"),
    "pgscan_direct_normal": ("counter", "pages"),
    "pgsteal_kswapd": ("counter", "pages"),
    "pgalloc_dma32": ("counter", "pages"),
    "pgmigrate_success": ("counter", "pages"),
    "pgdemote_kswapd": ("counter", "pages"),
    "pgpromote_success": ("counter", "pages"),
    "workingset_nodes": ("gauge", "nodes"),
    "workingset_nodereclaim": ("counter", "nodes"),
    "workingset_refault_file": ("counter", "pages"),
    "unevictable_pgs_culled": ("counter", "pages"),
    "unevictable_pgs_mlocked": ("counter", "pages"),
    "unevictable_pgs_stranded": ("counter", "pages"),
    "numa_hit": ("counter", "pages"),
    "numa_foreign": ("counter", "pages"),
    "numa_local": ("counter", "pages"),
    "numa_interleave": ("counter", "pages"),
    "numa_pages_migrated": ("counter", "pages"),
    "numa_hint_faults": ("counter", "faults"),
    "numa_hint_faults_local": ("counter", "faults"),
    "numa_pte_updates": ("counter", "entries"),
    "pgpgin": ("counter", "kB"),
    "pgpgout": ("counter", "kB"),
    "pgfault": ("counter", "faults"),
    "pgmajfault": ("counter", "faults"),
    "pswpin": ("counter", "pages"),
    "zswpout": ("counter", "pages"),
    "swap_ra_hit": ("counter", "pages"),
    "allocstall_normal": ("counter", "events"),
    "oom_kill": ("counter", "processes"),
    "slabs_scanned": ("counter", "objects"),
    "compact_stall": ("counter", "events"),
    "compact_migrate_scanned": ("counter", "pages"),
    "compact_daemon_wake": ("counter", "events"),
    "thp_fault_alloc": ("counter", "events"),
    "zone_reclaim_success": ("counter", "events"),
    "pageoutrun": ("counter", "events"),
    "balloon_inflate": ("counter", "pages"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_kind_and_unit(name: str) -> None:
    field = BY_NAME["vmstat"]().field("", name)
    assert (field.kind, field.unit) == KNOWN[name]


@pytest.mark.parametrize("tree", TREES)
def test_levels_of_real_kernels(tree: str) -> None:
    """Only states are gauges; what two captures of one kernel would show to grow is a counter."""
    (table,) = declare(BY_NAME["vmstat"](), text_of(tree, "vmstat"))
    gauges = {f.name for f in table.fields if f.kind == "gauge"}
    assert gauges
    assert all(name.startswith("nr_") or name == "workingset_nodes" for name in gauges)
    assert not [name for name in gauges if name.endswith(("_dirtied", "_written"))]
