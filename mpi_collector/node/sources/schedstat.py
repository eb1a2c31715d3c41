"""/proc/schedstat: time tasks waited for a CPU (Documentation/scheduler/sched-stats.rst).

Versions 15 to 17 of the file.
"""

from ..read.reader import CondensedFile
from ..row.layout import Field
from ..row.scan import Scan, is_number, scan_keyed
from .base import ReaderSource


class Schedstat(ReaderSource):
    """Sums over all CPUs: with n CPUs they grow by up to n seconds a second."""

    name = "schedstat"
    order = 17
    kernel_file = "/proc/schedstat"
    doc = "time tasks ran and time they waited to run, summed over CPUs"
    budget_us = 5000
    since = "2.6.23"
    default = False  # to answer, the kernel prints every scheduling domain of every CPU
    fields = (
        Field("running_ns", "ns", "counter", "time tasks ran"),
        Field("waiting_ns", "ns", "counter", "time tasks were runnable and waited for a CPU"),
        Field("timeslices", "events", "counter", "times a task was put on a CPU"),
    )

    def reader(self, root: str) -> CondensedFile:
        return CondensedFile(root, "proc/schedstat", condense)

    def scan(self, text: bytes) -> Scan:
        return scan_keyed(text.split(b"\n"))


def condense(raw: bytes) -> bytes:
    """Return ``field value`` lines: sums of the three numbers that end the line of each CPU."""
    sums = [0, 0, 0]
    seen = False
    for line in raw.split(b"\n"):
        if line[:3] == b"cpu":
            words = line.split()
            if len(words) >= 10 and all(map(is_number, words[7:10])):
                seen = True
                sums = [s + int(w) for s, w in zip(sums, words[7:10])]
    return b"running_ns %d\nwaiting_ns %d\ntimeslices %d\n" % tuple(sums) if seen else b""
