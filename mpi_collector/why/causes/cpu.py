"""``cpu``: all CPUs of the host are in use, and threads wait for one.

Idle time, iowait included, is what could still be used: iowait is idle time of a CPU on which a
task waits for I/O (proc(5)).
"""

from __future__ import annotations

from mpi_collector.formats.why_document import Claim, Confidence
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

FULL = 0.87  #: busy share at which threads begin to wait for a CPU
CERTAIN = 0.95
MOST_STEAL = 0.06  #: above, the hypervisor is the limit


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where CPU time is not known or does not support it."""
    busy, stolen = stretch.cpu_busy, stretch.cpu_share("steal")
    if busy is None or stolen is None or stretch.mean(stolen) >= MOST_STEAL:
        return None
    mean = stretch.mean(busy)
    found = [
        stretch.evidence(f"all {stretch.cpus} CPUs {100 * mean:.0f} % busy", BUSY.name,
                         100 * mean, "%"),
    ]  # fmt: skip
    pressure = stretch.pressure("cpu")
    if pressure is not None:
        waited = 100 * stretch.mean(pressure)
        found.append(
            stretch.evidence(f"tasks waited for a CPU {waited:.0f} % of the time (PSI some)",
                             "pressure.cpu.some_us", waited, "%")
        )  # fmt: skip
    confidence: Confidence = "certain" if mean >= CERTAIN else "likely"
    return claim_of(stretch, "cpu", busy >= FULL, confidence, found)
