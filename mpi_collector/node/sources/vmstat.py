"""/proc/vmstat: virtual memory counters, every key the kernel prints (mm/vmstat.c, proc(5))."""

from ..row.layout import Field
from .base import KernelFileSource

#: keys without the prefix nr_ that are states, and keys with it that are counters
_GAUGES = ("workingset_nodes", "thp_zero_page_now", "balloon_inflate_now")
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
)
_PAGES = ("nr_", "pg", "workingset_", "pswp", "numa_pages", "drop_", "kswapd_")
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
        gauge = (name.startswith("nr_") and not name.startswith(_COUNTERS)) or name in _GAUGES
        if name in ("pgpgin", "pgpgout"):
            unit = "kB"  # the kernel converts these two from sectors
        elif name in ("pgfault", "pgmajfault"):
            unit = "faults"
        elif name.startswith(_PAGES):
            unit = "pages"
        else:
            unit = "events"
        doc = _DOC.get(name, "/proc/vmstat, mm/vmstat.c")
        return Field(name, unit, "gauge" if gauge else "counter", doc)
