"""/proc/vmstat: virtual memory counters (mm/vmstat.c, proc(5)); every key the kernel prints."""

from ..row.layout import Field
from .base import Source, scan_keyed

#: keys without the prefix nr_ that are states, and keys with it that are counters
_GAUGES = ("workingset_nodes", "thp_zero_page_now", "balloon_inflate_now")
_COUNTERS = ("nr_dirtied", "nr_written", "nr_vmscan_write", "nr_vmscan_immediate_reclaim", "nr_foll_pin_acquired",
             "nr_foll_pin_released", "nr_throttled_written", "nr_promote", "nr_demote")  # fmt: skip
_PAGES = ("nr_", "pg", "workingset_", "pswp", "numa_pages", "drop_", "kswapd_")


class Vmstat(Source):
    name = "vmstat"
    order = 4
    path = "proc/vmstat"
    doc = "page cache, reclaim, swap, NUMA and huge page counters"
    record_max = 128

    def field(self, table: str, name: str) -> "Field":
        gauge = (name.startswith("nr_") and not name.startswith(_COUNTERS)) or name in _GAUGES
        if name in ("pgpgin", "pgpgout"):
            unit = "kB"  # the kernel shifts these two from sectors
        elif name in ("pgfault", "pgmajfault"):
            unit = "faults"
        elif name.startswith(_PAGES):
            unit = "pages"
        else:
            unit = "events"
        return Field(name, unit, "gauge" if gauge else "counter", "/proc/vmstat, mm/vmstat.c")

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_keyed(text.split(b"\n"), roles, problems)
        return roles, problems
