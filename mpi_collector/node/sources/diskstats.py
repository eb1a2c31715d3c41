"""/proc/diskstats: block devices, partitions included (Documentation/admin-guide/iostats.rst, proc(5))."""

from ..row.layout import Field
from .base import Source, scan_table


def _f(name: str, unit: str, doc: str, kind: str = "counter") -> "Field":
    return Field(name, unit, kind, doc)


class Diskstats(Source):
    """Cumulative since boot except ``ios_in_progress``; a sector is always 512 bytes here."""

    name = "diskstats"
    order = 1
    path = "proc/diskstats"
    doc = "reads, writes, discards, flushes and time of every block device"
    record_max = 512
    lists_devices = True
    may_be_empty = True  # diskless, or hidden from a container
    fields = (
        _f("reads_completed", "reads", "reads completed; Linux 2.6"),
        _f(
            "reads_merged",
            "reads",
            "reads merged with an adjacent one before they were queued; Linux 2.6",
        ),
        _f("sectors_read", "sectors_512_bytes", "512-byte sectors read; Linux 2.6"),
        _f("time_reading_ms", "ms", "time that reads took, summed over requests; Linux 2.6"),
        _f("writes_completed", "writes", "writes completed; Linux 2.6"),
        _f(
            "writes_merged",
            "writes",
            "writes merged with an adjacent one before they were queued; Linux 2.6",
        ),
        _f("sectors_written", "sectors_512_bytes", "512-byte sectors written; Linux 2.6"),
        _f("time_writing_ms", "ms", "time that writes took, summed over requests; Linux 2.6"),
        _f("ios_in_progress", "requests", "requests at the device now; Linux 2.6", "gauge"),
        _f("time_doing_ios_ms", "ms", "time with at least one request in flight; Linux 2.6"),
        _f("weighted_time_doing_ios_ms", "ms", "time times requests in flight; Linux 2.6"),
        _f("discards_completed", "discards", "discards completed; Linux 4.18"),
        _f("discards_merged", "discards", "discards merged; Linux 4.18"),
        _f("sectors_discarded", "sectors_512_bytes", "512-byte sectors discarded; Linux 4.18"),
        _f("time_discarding_ms", "ms", "time that discards took; Linux 4.18"),
        _f(
            "flush_requests_completed",
            "flushes",
            "flushes completed, not for partitions; Linux 5.5",
        ),
        _f("time_flushing_ms", "ms", "time that flushes took; Linux 5.5"),
    )
    #: a partition before Linux 2.6.25 has four numbers only
    _four = ("reads_completed", "sectors_read", "writes_completed", "sectors_written")

    def _names(self, values: int) -> object:
        if values == 4:
            return self._four
        return tuple(f.name for f in self.fields) if values in (11, 15) or values >= 17 else None

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_table(text.split(b"\n"), 3, 2, self._names, roles, problems)
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return max(8, devices // 4)
