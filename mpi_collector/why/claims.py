"""Make a claim from the intervals in which its condition holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_collector.formats.why_document import Cause, Ceiling, Claim, Confidence, Evidence
from mpi_collector.why.stretch import Stretch

#: a condition that holds for a smaller share of a phase limits something else than the phase
LEAST_SHARE = 0.5


def claim_of(
    stretch: Stretch,
    cause: Cause,
    holds: Any,
    confidence: Confidence,
    evidence: list[Evidence],
    *,
    device: str | None = None,
    ceiling: Ceiling | None = None,
    against: list[Evidence] | None = None,
) -> Claim | None:
    """Return the claim when ``holds``, bool (intervals,), for long enough; else None.

    The claim's begin and end are those of the first and the last interval in which it holds.
    """
    held = np.asarray(holds, dtype=bool)
    share = stretch.share(held)
    if share < LEAST_SHARE:
        return None
    times = stretch.host.timestamp_ns
    rows = np.flatnonzero(stretch.kept)[held]
    return {
        "cause": cause,
        "device": device,
        "host": stretch.key,
        "phase": stretch.name,
        "begin_ns": int(max(times[rows[0]], stretch.begin_ns)),
        "end_ns": int(min(times[rows[-1] + 1], stretch.end_ns)),
        "share_of_time": round(share, 4),
        "confidence": confidence,
        "ceiling": ceiling,
        "for": evidence,
        "against": against or [],
        "others": [],
    }
