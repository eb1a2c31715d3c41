"""``latency``: one or few requests are in flight all the time, and nothing is full.

The time of a single request is then the limit: a faster device shortens it, more bandwidth does
not, and more requests at once would raise the throughput.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim, Evidence
from mpi_collector.store.figures.disk import QUEUE_DEPTH
from mpi_collector.why.claims import claim_of
from mpi_collector.why.light_load import light_load_ms
from mpi_collector.why.stretch import Stretch

LEAST_IN_FLIGHT = 0.55  #: below, the job spends its time elsewhere
FEW_IN_FLIGHT = 3.0  #: so few requests hardly queue, whatever the device
MOST_IN_FLIGHT = 16.0  #: more are a queue, even where each takes its usual time
NOT_SLOWED = 1.4  #: time of a request / its time at light load
#: share of the time with a request in flight; below, many come at once and then none (a throttle
#: above the device: 0.04; one request after the other: 0.66 to 0.7)
LEAST_BUSY = 0.4


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where requests are many or storage is idle for long."""
    parts = [(d.name, d.in_flight) for d in stretch.disks]
    parts += [(m.name, m.in_flight) for m in stretch.mounts]
    if not parts:
        return None
    together = np.sum([p[1] for p in parts], axis=0)
    few = together <= FEW_IN_FLIGHT
    if stretch.disks and not stretch.mounts:
        disk = max(stretch.disks, key=lambda d: stretch.mean(d.in_flight))
        light, _ = light_load_ms(stretch, disk)
        few |= (together <= MOST_IN_FLIGHT) & (disk.await_ms < NOT_SLOWED * light)
    if not stretch.mounts:
        few &= np.nan_to_num(np.fmax.reduce([d.busy for d in stretch.disks]), nan=1.0) >= LEAST_BUSY
    name = max(parts, key=lambda p: stretch.mean(p[1]))[0]
    mean = stretch.mean(together)
    return claim_of(
        stretch,
        "latency",
        (together >= LEAST_IN_FLIGHT) & few,
        "certain" if 0.75 <= mean <= 1.2 else "likely",
        [
            stretch.evidence(f"{mean:.1f} requests in flight, on average", QUEUE_DEPTH.name, mean,
                             "requests"),
            *_each(stretch, name),
        ],
        device=name,
    )  # fmt: skip


def _each(stretch: Stretch, name: str) -> list[Evidence]:
    """Return how many requests there were and how long each took."""
    rates = [(d.iops, d.await_ms, "requests") for d in stretch.disks if d.name == name]
    rates += [(m.ops, m.ms_per_op, "operations") for m in stretch.mounts if m.name == name]
    iops, took, word = rates[0]
    each = stretch.mean(took)
    if not np.isfinite(each):
        return []
    text = f"{stretch.mean(iops):.0f} {word} a second, {each:.3g} ms each"
    return [stretch.evidence(text, name, each, "ms")]
