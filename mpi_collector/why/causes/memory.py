"""``memory``: tasks wait for memory to be reclaimed or read back from swap.

PSI counts that waiting itself; direct reclaim (``pgscan_direct``, ``allocstall``) and swapping say
what the tasks waited for (psi.rst, vmscan.c). Background reclaim by kswapd alone is normal where
files are read through the page cache.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim, Confidence
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

PRESSURE = 0.12  #: share of time in which tasks waited for memory
SWAPPED_PAGES_PER_S = 50.0
SCANNED_PAGES_PER_S = 1000.0
CERTAIN = 0.4


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where memory pressure is not known or is low."""
    pressure = stretch.pressure("memory")
    swapped = stretch.sum_of_rates(["vmstat.pswpin", "vmstat.pswpout"])
    scanned = stretch.rate("vmstat.pgscan_direct")
    if pressure is None or (swapped is None and scanned is None):
        return None
    nothing = np.zeros(len(stretch))
    active = (np.nan_to_num(nothing if swapped is None else swapped) >= SWAPPED_PAGES_PER_S) | (
        np.nan_to_num(nothing if scanned is None else scanned) >= SCANNED_PAGES_PER_S
    )
    mean = stretch.mean(pressure)
    found = [
        stretch.evidence(f"tasks waited for memory {100 * mean:.0f} % of the time (PSI some)",
                         "pressure.memory.some_us", 100 * mean, "%"),
    ]  # fmt: skip
    if swapped is not None and stretch.mean(swapped) >= SWAPPED_PAGES_PER_S:
        rate = stretch.mean(swapped)
        found.append(
            stretch.evidence(f"{rate:.0f} pages a second swapped in and out", "vmstat.pswpin",
                             rate, "pages/s")
        )  # fmt: skip
    if scanned is not None and stretch.mean(scanned) > 0:
        rate = stretch.mean(scanned)
        found.append(
            stretch.evidence(f"{rate:.0f} pages a second scanned by direct reclaim",
                             "vmstat.pgscan_direct", rate, "pages/s")
        )  # fmt: skip
    confidence: Confidence = "certain" if mean >= CERTAIN else "likely"
    return claim_of(stretch, "memory", (pressure >= PRESSURE) & active, confidence, found)
