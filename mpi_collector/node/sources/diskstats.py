"""/proc/diskstats: block devices and partitions (proc(5), admin-guide/iostats.rst)."""

from ..row.layout import Field
from ..row.scan import IGNORED
from .base import KernelFileSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SECTORS = "sectors_512_bytes"
_GENERATIONS = (11, 15, 17)  #: numbers on a line until Linux 4.17, until 5.4, and since
#: of a partition before Linux 2.6.25, which has four numbers
_FOUR = ("reads_completed", "sectors_read", "writes_completed", "sectors_written")


def _counter(name: str, unit: str, doc: str) -> Field:
    return Field(name, unit, "counter", doc)


class Diskstats(KernelFileSource):
    """Cumulative since boot except ``ios_in_progress``; a sector is always 512 bytes here."""

    name = "diskstats"
    order = 1
    path = "proc/diskstats"
    doc = "reads, writes, discards, flushes and time of every block device"
    record_max = 512
    device_at = 2
    first_value = 3
    lists_devices = True
    may_be_empty = True  # diskless, or hidden from a container
    fields = (
        _counter("reads_completed", "reads", "reads completed"),
        _counter("reads_merged", "reads", "reads merged with an adjacent queued request"),
        _counter("sectors_read", _SECTORS, "512-byte sectors read"),
        _counter("time_reading_ms", "ms", "time of reads, summed over requests"),
        _counter("writes_completed", "writes", "writes completed"),
        _counter("writes_merged", "writes", "writes merged with an adjacent queued request"),
        _counter("sectors_written", _SECTORS, "512-byte sectors written"),
        _counter("time_writing_ms", "ms", "time of writes, summed over requests"),
        Field("ios_in_progress", "requests", "gauge", "requests in flight"),
        _counter("time_doing_ios_ms", "ms", "time with at least one request in flight"),
        _counter("weighted_time_doing_ios_ms", "ms", "time weighted by requests in flight"),
        _counter("discards_completed", "discards", "discards completed; since Linux 4.18"),
        _counter(
            "discards_merged",
            "discards",
            "discards merged with an adjacent queued request; since Linux 4.18",
        ),
        _counter("sectors_discarded", _SECTORS, "512-byte sectors discarded; since Linux 4.18"),
        _counter(
            "time_discarding_ms", "ms", "time of discards, summed over requests; since Linux 4.18"
        ),
        _counter(
            "flush_requests_completed",
            "flushes",
            "flushes completed, of whole devices only; since Linux 5.5",
        ),
        _counter("time_flushing_ms", "ms", "time of flushes; since Linux 5.5"),
    )

    def names_for(self, values: int) -> "Sequence[str] | None":
        if values == 4:
            return _FOUR
        # Other counts are those of a line that was cut or that lxcfs made, which prints 14 and
        # leaves out the discards completed: what stands in front is right.
        known = max((n for n in _GENERATIONS if n <= values), default=0)
        if not known:
            return None
        names = tuple(f.name for f in self.fields[:known])
        return names if values > _GENERATIONS[-1] else names + (IGNORED,) * (values - known)

    def spare_slots(self, table: str, devices: int) -> int:
        return max(8, devices // 4)
