"""/proc/vmstat: virtual memory counters, every key the kernel prints (mm/vmstat.c, proc(5))."""

from ..row.layout import Field
from .base import KernelFileSource

#: units by what keys begin with; the first that fits
_UNITS = (
    ("pgpg", "kB"),  # pgpgin, pgpgout: the kernel converts these two from sectors
    ("nr_kernel_stack", "kB"),
    ("nr_shadow_call_stack", "kB"),
    ("nr_tlb_", "flushes"),
    ("nr_anon_transparent_hugepages", "huge_pages"),
    ("nr_shmem_hugepages", "huge_pages"),
    ("nr_shmem_pmdmapped", "huge_pages"),
    ("nr_file_hugepages", "huge_pages"),
    ("nr_file_pmdmapped", "huge_pages"),
    ("pgfault", "faults"),
    ("pgmajfault", "faults"),
    ("numa_hint_faults", "faults"),
    ("numa_pte_updates", "entries"),
    ("numa_huge_pte_updates", "entries"),
    ("workingset_node", "nodes"),
    ("slabs_scanned", "objects"),
    ("oom_kill", "processes"),
    ("pgscan_direct_throttle", "events"),
    ("nr_", "pages"),
    ("pg", "pages"),
    ("numa_", "pages"),
    ("workingset_", "pages"),
    ("unevictable_pgs_", "pages"),
    ("pswp", "pages"),
    ("swap_ra", "pages"),
    ("swpin_", "pages"),
    ("swpout_", "pages"),
    ("zswp", "pages"),
    ("ksm_swpin_copy", "pages"),
    ("cow_ksm", "pages"),
    ("kswapd_steal", "pages"),
    ("kswapd_inodesteal", "pages"),
    ("balloon_", "pages"),
    ("compact_migrate_scanned", "pages"),
    ("compact_free_scanned", "pages"),
    ("compact_daemon_migrate_scanned", "pages"),
    ("compact_daemon_free_scanned", "pages"),
    ("compact_isolated", "pages"),
    ("compact_blocks_moved", "blocks"),
    ("compact_pages_moved", "pages"),
)
#: keys with the prefix nr_ that count; every other one of these is a level
_COUNTERS = (
    "nr_dirtied",
    "nr_written",
    "nr_vmscan_write",
    "nr_vmscan_immediate_reclaim",
    "nr_foll_pin_acquired",
    "nr_foll_pin_released",
    "nr_throttled_written",
    "nr_promote",
    "nr_demote",
    "nr_tlb_",
)
_LEVELS = ("nr_", "workingset_nodes")  #: what levels begin with
_DOC = {
    "pgpgin": "read from block devices",
    "pgpgout": "written to block devices",
    "pswpin": "pages swapped in",
    "pswpout": "pages swapped out",
    "pgfault": "page faults, minor and major",
    "pgmajfault": "page faults that needed I/O",
    "nr_dirty": "pages that are waiting to be written to storage",
    "nr_writeback": "pages that are being written to storage",
    "nr_dirtied": "pages that became dirty; since Linux 2.6.37",
    "nr_written": "pages written to storage; since Linux 2.6.37",
    "pgscan_kswapd": "pages scanned by kswapd in the background",
    "pgscan_direct": "pages scanned by tasks that had to reclaim memory themselves",
    "pgsteal_kswapd": "pages reclaimed by kswapd in the background",
    "pgsteal_direct": "pages reclaimed by tasks that had to reclaim memory themselves",
    "pgscan_direct_throttle": "times a task that reclaimed memory was made to wait",
    "kswapd_low_wmark_hit_quickly": "times kswapd was soon below the low watermark again",
    "kswapd_high_wmark_hit_quickly": "times kswapd was soon below the high watermark again",
    "workingset_nodes": "nodes of the page cache's trees that hold entries of evicted pages",
    "drop_pagecache": "times somebody wrote to drop_caches to free the page cache",
    "drop_slab": "times somebody wrote to drop_caches to free caches of the kernel",
    "allocstall": "times a task had to reclaim memory itself; until Linux 4.9",
    "oom_kill": "processes that the OOM killer ended; since Linux 4.13",
    "workingset_refault_file": "file pages read again soon after their eviction; since Linux 5.9",
}


class Vmstat(KernelFileSource):
    """Global counters and states of memory management, in pages unless the name says otherwise."""

    name = "vmstat"
    order = 4
    path = "proc/vmstat"
    doc = "page cache, reclaim, swap, NUMA and huge page counters"
    record_max = 128

    def field(self, table: str, name: str) -> Field:
        level = name.startswith(_LEVELS) and not name.startswith(_COUNTERS)
        unit = next((unit for prefix, unit in _UNITS if name.startswith(prefix)), "events")
        doc = _DOC.get(name, "/proc/vmstat, mm/vmstat.c")
        return Field(name, unit, "gauge" if level else "counter", doc)
