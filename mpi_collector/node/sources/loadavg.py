"""/proc/loadavg: load averages and thread counts (proc(5))."""

from ..row.layout import Field
from ..row.scan import Cell, Scan, is_number
from .base import KernelFileSource


class Loadavg(KernelFileSource):
    """Loads are kept as hundredths, which is exactly what the kernel prints."""

    name = "loadavg"
    order = 6
    path = "proc/loadavg"
    doc = "load averages, running and existing threads"
    fields = (
        Field("load_1min", "hundredths", "gauge", "load average over 1 minute, times 100"),
        Field("load_5min", "hundredths", "gauge", "load average over 5 minutes, times 100"),
        Field("load_15min", "hundredths", "gauge", "load average over 15 minutes, times 100"),
        Field("running_processes", "threads", "gauge", "runnable threads"),
        Field("total_processes", "threads", "gauge", "existing threads"),
        Field("last_pid", "pid", "gauge", "the PID that was assigned last"),
    )

    def prepare(self, raw: bytes) -> bytes:
        # "0.08" -> "008": exact, since the kernel always prints two decimals
        return raw.replace(b".", b"").replace(b"/", b" ")

    def scan(self, text: bytes) -> Scan:
        tokens = text.split()
        scan = Scan()
        if len(tokens) != len(self.fields) or not all(map(is_number, tokens)):
            scan.reject(text, "not a load average:")
            return scan
        for f in self.fields:
            scan.add(Cell("", "", f.name))
        return scan
