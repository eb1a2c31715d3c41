"""``steal``: the hypervisor gave the CPU time that the host was ready to use to others.

Steal is counted only while a virtual CPU wants to run (kernel: ``steal`` of proc(5)), so a large
share of it while the rest of the CPU time is used up is time that the job did not get.
"""

from __future__ import annotations

from mpi_collector.formats.why_document import Claim
from mpi_collector.store.figures.cpu import BUSY, STEAL
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

LEAST_STEAL = 0.06  #: share of all CPU time
FULL = 0.86  #: busy share of the CPU time that was left
CERTAIN_STEAL = 0.2


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where CPU time is not known or does not support it."""
    stolen, busy = stretch.cpu_share("steal"), stretch.cpu_busy
    if stolen is None or busy is None:
        return None
    mean = stretch.mean(stolen)
    return claim_of(
        stretch,
        "steal",
        (stolen >= LEAST_STEAL) & (busy >= FULL),
        "certain" if mean >= CERTAIN_STEAL else "likely",
        [
            stretch.evidence(f"steal {100 * mean:.0f} % of CPU time", STEAL.name, 100 * mean,
                             "%"),
            stretch.evidence(
                f"the CPU time that was left was {100 * stretch.mean(busy):.0f} % busy",
                BUSY.name, 100 * stretch.mean(busy), "%"),
        ],
    )  # fmt: skip
