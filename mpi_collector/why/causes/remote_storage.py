"""``remote storage``: operations of a network file system wait, and the link is not full.

The client counts each operation's time from its request to its completion (mountstats: execute;
Lustre: req_waittime), so the number outstanding follows by Little's law. Many outstanding
operations with room on the link mean that the server or what is behind it is the limit.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

OUTSTANDING = 3.0  #: operations
CERTAIN_OUTSTANDING = 12.0
LINK_FULL = 0.86


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim on the mount with the most operations outstanding; None where few are."""
    if not stretch.mounts:
        return None
    mount = max(stretch.mounts, key=lambda m: stretch.mean(m.in_flight))
    in_flight = stretch.mean(mount.in_flight)
    fullest = 0.0
    for link in stretch.links:
        if link.speed_bytes_per_s:
            used = np.maximum(link.rx_bytes_per_s, link.tx_bytes_per_s) / link.speed_bytes_per_s
            fullest = max(fullest, stretch.mean(used))
    if fullest >= LINK_FULL:
        return None
    return claim_of(
        stretch,
        "remote storage",
        mount.in_flight >= OUTSTANDING,
        "certain" if in_flight >= CERTAIN_OUTSTANDING and fullest < 0.7 else "likely",
        [
            stretch.evidence(
                f"{mount.name}: {in_flight:.1f} operations outstanding, "
                f"{stretch.mean(mount.ms_per_op):.1f} ms each", f"{mount.kind}.{mount.name}",
                in_flight, "operations"),
            stretch.evidence(f"the fullest link at {100 * fullest:.0f} %", "netdev",
                             100 * fullest, "%"),
        ],
        device=mount.name,
    )  # fmt: skip
