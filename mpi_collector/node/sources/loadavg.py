"""/proc/loadavg: run-queue length averages and thread counts (proc(5))."""

from ..row.layout import IGNORE, Cell, Field
from .base import Source, is_number


class Loadavg(Source):
    """Loads are kept as hundredths, which is exactly what the kernel prints."""

    name = "loadavg"
    order = 6
    path = "proc/loadavg"
    doc = "load averages, running and existing threads"
    fields = (
        Field("load_1min", "hundredths", "gauge", "load average over 1 minute, times 100"),
        Field("load_5min", "hundredths", "gauge", "load average over 5 minutes, times 100"),
        Field("load_15min", "hundredths", "gauge", "load average over 15 minutes, times 100"),
        Field("running_processes", "threads", "gauge", "scheduling entities that are runnable now"),
        Field("total_processes", "threads", "gauge", "scheduling entities that exist"),
        Field("last_pid", "pid", "gauge", "the newest process id"),
    )

    def prepare(self, raw: bytes) -> bytes:
        # "0.08" -> "008" is exact only because the kernel always prints two decimals; scan() checks the count of tokens
        return raw.replace(b".", b"").replace(b"/", b" ")

    def scan(self, text: bytes) -> tuple:
        tokens = text.split()
        if len(tokens) != len(self.fields) or not all(map(is_number, tokens)):
            return [IGNORE] * len(tokens), ["not a load average: %r" % text[:80]]
        return [Cell("", "", f.name) for f in self.fields], []
