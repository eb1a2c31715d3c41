"""I/O that no task was seen waiting for: libaio, io_uring, or a program that is far ahead.

The kernel counts the waiting of tasks in read, write and fsync calls (psi.rst, ``in_iowait``), not
that in ``io_getevents`` or ``io_uring_enter``. When a throttle above the device holds such requests
back, all looks idle: few requests in flight, no task that waits. A program that pauses looks
the same, so nothing can be said of either.
"""

from __future__ import annotations

from mpi_collector.why.job_bytes import COMMAND, USER, JobCalls
from mpi_collector.why.stretch import Stretch

LEAST_BYTES_PER_S = 1e6  #: less is not what a job waits for
#: PSI some / requests in flight. Throttled libaio has 0.001 to 0.01; of n tasks in read calls that
#: begin and end together it is 1/n, of others more
MOST_PRESSURE = 0.02
_CALLS = 0.5  #: share of the bytes that the job's read and write calls moved; more is no libaio
_PAGE_BYTES = 4096


def unseen_waits(stretch: Stretch) -> str | None:
    """Return why it is not seen whether the job waited for storage; None where it is seen."""
    pressure = stretch.pressure("io")
    if pressure is None or not stretch.disks:
        return None
    flushed = stretch.rate("vmstat.nr_written")
    behind = 0.0 if flushed is None else stretch.mean(flushed) * _PAGE_BYTES
    moved = max(
        stretch.mean(d.read_bytes_per_s) + max(stretch.mean(d.write_bytes_per_s) - behind, 0.0)
        for d in stretch.disks
    )
    in_flight = max(stretch.mean(d.in_flight) for d in stretch.disks)
    if not moved >= LEAST_BYTES_PER_S or stretch.mean(pressure) >= MOST_PRESSURE * in_flight:
        return None
    if _by_calls(stretch, moved):
        return None
    return (
        f"{moved / 1e6:.0f} MB/s moved, {in_flight:.2f} requests in flight, and no task was seen "
        "waiting, as with libaio or io_uring: a throttle above the device, or a program that pauses"
    )


def _by_calls(stretch: Stretch, moved: float) -> bool:
    """Return whether the job's read and write calls moved most of it."""
    seconds = float(stretch.seconds.sum())
    for device in (COMMAND, USER):
        calls = JobCalls(stretch, device)
        if calls.known:
            asked = calls.grown("read_call_bytes") + calls.grown("write_call_bytes")
            if asked >= _CALLS * moved * seconds:
                return True
    return False
