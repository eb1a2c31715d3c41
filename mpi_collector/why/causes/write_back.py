"""``write-back``: writers wait until the flusher has written what they made dirty.

Writers are held at the dirty limit (``nr_dirty_threshold`` of /proc/vmstat, balance_dirty_pages in
mm/page-writeback.c). When the device has a deep queue at that moment it is the device that limits;
when it has not, the limit on dirty pages is too small to keep it busy.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

AT_LIMIT = 0.75  #: dirty pages / threshold; writers are slowed from half way up
LEAST_WRITTEN = 1e6  #: bytes per second
DEEP_QUEUE = 24.0  #: requests in flight with which a device is busy whatever it is


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where the dirty limit is not known or was not reached."""
    dirty = stretch.level("vmstat.nr_dirty")
    limit = stretch.level("vmstat.nr_dirty_threshold")
    if dirty is None or limit is None or not stretch.disks:
        return None
    disk = max(stretch.disks, key=lambda d: stretch.mean(d.write_bytes_per_s))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(limit > 0, dirty / limit, np.nan)
    holds = (share >= AT_LIMIT) & (disk.write_bytes_per_s >= LEAST_WRITTEN)
    holds &= disk.in_flight < DEEP_QUEUE
    mean = stretch.mean(share)
    return claim_of(
        stretch,
        "write-back",
        holds,
        "likely",
        [
            stretch.evidence(f"dirty pages at {100 * mean:.0f} % of the limit for writers",
                             "vmstat.nr_dirty", 100 * mean, "%"),
            stretch.evidence(
                f"{disk.name}: {stretch.mean(disk.in_flight):.1f} requests in flight",
                f"diskstats.{disk.name}.weighted_time_doing_ios_ms",
                stretch.mean(disk.in_flight), "requests"),
        ],
        device=disk.name,
    )  # fmt: skip
