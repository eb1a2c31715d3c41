"""How much of the I/O of a host is the job's, by the source ``job``."""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Evidence
from mpi_collector.node.status import OK
from mpi_collector.why.stretch import Stretch

LEAST_MOVED = 10e6  #: bytes of the disks; less is nobody's limit
MOST_SHARE = 0.1  #: of the bytes of the disks that the job asked for; more is a part in the I/O
_JOB = "job.command"


def io_of_others(stretch: Stretch) -> Evidence | None:
    """Return evidence that the I/O is not the job's; None where it is, or where that is not known.

    Known is it of COMMAND as a whole, whose read and write calls are counted. An io_uring is seen
    and then nothing is known; mmap and libaio are not, so this speaks against a claim, and is no
    proof.
    """
    asked = _asked_bytes(stretch)
    moved = sum(
        float(np.nansum(rate * stretch.seconds)) for rate in (d.bytes_per_s for d in stretch.disks)
    )
    if asked is None or moved < LEAST_MOVED or asked >= MOST_SHARE * moved:
        return None
    share = 100 * asked / moved
    return stretch.evidence(
        f"COMMAND's read and write calls were {share:.0f} % of the {moved / 1e6:.0f} MB that the"
        " disks moved: the rest is of other programs, or of mmap and libaio",
        f"{_JOB}.read_call_bytes", share, "%",
    )  # fmt: skip


def _asked_bytes(stretch: Stretch) -> float | None:
    """Return the bytes of COMMAND's read and write calls; None where they are not all known."""
    host = stretch.host
    status = host.statuses.get("job")
    if not stretch.is_command or status is None or not stretch.has(f"{_JOB}.read_call_bytes"):
        return None
    seen = status == OK
    levels = {
        name: host.value(f"{_JOB}.{name}")[seen]
        for name in ("processes", "left_out", "not_files", "read_call_bytes", "write_call_bytes")
    }
    if seen.sum() < 2 or not np.nanmax(levels["processes"], initial=0.0):
        return None  # COMMAND was not seen here
    if np.nanmax(levels["left_out"] + levels["not_files"], initial=0.0):
        return None
    grown = (levels[n][-1] - levels[n][0] for n in ("read_call_bytes", "write_call_bytes"))
    total = float(sum(grown))
    return total if np.isfinite(total) else None
