"""What the job asked for, by the source ``job``, and how much of a host's I/O that is."""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Evidence
from mpi_collector.node.status import OK
from mpi_collector.store.host import Float64
from mpi_collector.why.stretch import Stretch

LEAST_MOVED = 10e6  #: bytes of the disks; less is nobody's limit
MOST_SHARE = 0.1  #: of the bytes of the disks that the job asked for; more is a part in the I/O
COMMAND, USER = "job.command", "job.user"


class JobCalls:
    """The read and write calls of a device of the source, in the rows in which it was read.

    ``times``: of these rows, UTC ns.
    """

    def __init__(self, stretch: Stretch, device: str) -> None:
        self._stretch = stretch
        self._device = device
        status = stretch.host.statuses.get("job")
        self._seen = np.zeros(0, dtype=bool) if status is None else status == OK
        recorded = all(self.has(f) for f in ("read_call_bytes", "processes"))
        self.known = recorded and int(self._seen.sum()) >= 2
        self._is_whole = device == COMMAND and stretch.is_command
        self.times = stretch.host.timestamp_ns[self._seen] if self.known else np.zeros(0, "i8")

    def has(self, field: str) -> bool:
        return self._stretch.has(f"{self._device}.{field}")

    def level(self, field: str) -> Float64:
        """Return a field in the rows."""
        values: Float64 = self._stretch.host.value(f"{self._device}.{field}")[self._seen]
        return values

    def most(self, field: str) -> float:
        """Return the greatest value of a field in the whole recording, at least 0."""
        return float(np.nanmax(self.level(field), initial=0.0))

    def complete(self) -> bool:
        """Return whether all that was read is counted, and was files, as far as one can see."""
        for gauge in ("not_files", "left_out"):
            levels = self.level(gauge)
            for begin, end in self._stretch.parts:
                inside = (self.times >= begin) & (self.times <= end)
                if np.nanmax(levels[inside], initial=0.0) > 0:
                    return False
        return True

    def grown(self, field: str, outwards: bool = True) -> float:
        """Return the growth between the readings just outside of the phase, or just inside."""
        total = self.level(field)
        return sum(self._grown(total, begin, end, outwards) for begin, end in self._stretch.parts)

    def known_from_begin(self) -> bool:
        """Return whether it is known what COMMAND had asked for when the rows of the host begin.

        That is nothing before COMMAND's begin; after it, what the first row says.
        """
        if not self.known or not self._stretch.is_command:
            return self.known
        first = self._stretch.host.timestamp_ns[0]
        return bool(self._seen[0] or first <= self._stretch.begin_ns)

    def _grown(self, total: Float64, begin: int, end: int, outwards: bool) -> float:
        if self._is_whole and self.times[0] > begin and not self._seen[0]:
            last = min(int(np.searchsorted(self.times, end)), len(total) - 1)
            return max(float(total[last]), 0.0)  # before its begin COMMAND had done nothing
        if outwards:
            first = int(np.searchsorted(self.times, begin, side="right")) - 1
            last = int(np.searchsorted(self.times, end, side="left"))
        else:
            first = int(np.searchsorted(self.times, begin, side="left"))
            last = int(np.searchsorted(self.times, end, side="right")) - 1
        first, last = max(first, 0), min(last, len(self.times) - 1)
        return max(float(total[last] - total[first]), 0.0) if last > first else 0.0


def io_of_others(stretch: Stretch) -> Evidence | None:
    """Return evidence that the I/O is not the job's; None where it is, or where that is not known.

    Known is it of COMMAND as a whole, whose read and write calls are counted. An io_uring is seen
    and then nothing is known; mmap and libaio are not, so this speaks against a claim, and is no
    proof.
    """
    moved = sum(stretch.amount(d.bytes_per_s) for d in stretch.disks)
    calls = JobCalls(stretch, COMMAND)
    if moved < LEAST_MOVED or not stretch.is_command or not calls.known:
        return None
    if not calls.most("processes") or not calls.complete():
        return None
    share = 100 * (calls.grown("read_call_bytes") + calls.grown("write_call_bytes")) / moved
    if not share < 100 * MOST_SHARE:  # or unknown
        return None
    return stretch.evidence(
        f"COMMAND's read and write calls were {share:.0f} % of the {moved / 1e6:.0f} MB that the"
        " disks moved: the rest is other programs, or I/O without such calls (mmap, libaio,"
        " io_uring, read-ahead, write-back)",
        f"{COMMAND}.read_call_bytes", share, "%",
    )  # fmt: skip
