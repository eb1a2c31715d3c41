"""/proc/schedstat: how long runnable tasks waited for a CPU (Documentation/scheduler/sched-stats.rst, versions 15 to 17)."""

from ..read.reader import CondensedFile
from ..row.layout import Field
from .base import Source, is_number, scan_keyed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Schedstat(Source):
    """Sums over all CPUs: with n CPUs they grow by up to n seconds a second."""

    name = "schedstat"
    order = 17
    kernel_file = "/proc/schedstat"
    doc = "time tasks ran and time they waited to run, summed over CPUs"
    makes_its_text = True
    budget_us = 5000
    since = "2.6.23"
    default = False  # the kernel prints every scheduling domain of every CPU to answer
    fields = (
        Field("running_ns", "ns", "counter", "time tasks ran"),
        Field("waiting_ns", "ns", "counter", "time tasks were runnable and waited"),
        Field("timeslices", "events", "counter", "times a task was put on a CPU"),
    )

    def reader(self, root: str) -> "Any":
        return CondensedFile(root, "proc/schedstat", condense)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_keyed(text.split(b"\n"), roles, problems)
        return roles, problems


def condense(raw: bytes) -> bytes:
    """The sums of the three numbers that end a CPU's line."""
    sums = [0, 0, 0]
    seen = False
    for line in raw.split(b"\n"):
        if line[:3] == b"cpu":
            words = line.split()
            if len(words) >= 10 and all(map(is_number, words[7:10])):
                seen = True
                sums = [s + int(w) for s, w in zip(sums, words[7:10])]
    return b"running_ns %d\nwaiting_ns %d\ntimeslices %d\n" % tuple(sums) if seen else b""
