"""``latency``: one or few requests are in flight all the time, and nothing is full.

The time of a single request is then the limit: a faster device shortens it, more bandwidth does
not, and more requests at once would raise the throughput.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim, Evidence
from mpi_collector.store.figures.disk import QUEUE_DEPTH
from mpi_collector.store.host import Float64
from mpi_collector.why.claims import claim_of
from mpi_collector.why.light_load import is_virtual, light_load_ms
from mpi_collector.why.stretch import DiskActivity, Stretch

LEAST_WAITED = 0.55  #: share of time with a request in flight; below, the job is elsewhere for long
FEW_IN_FLIGHT = 3.0  #: so few requests hardly queue, whatever the device
MOST_IN_FLIGHT = 16.0  #: more are a queue, even where each takes its usual time
NOT_SLOWED = 1.4  #: time of a request / its time at light load


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where requests are many or storage is idle for long."""
    parts = [(d.name, d.in_flight) for d in stretch.disks]
    parts += [(m.name, m.in_flight) for m in stretch.mounts]
    if not parts:
        return None
    together = np.sum([p[1] for p in parts], axis=0)
    few = together <= FEW_IN_FLIGHT
    if stretch.disks and not stretch.mounts and not _light_load_unknown(stretch):
        disk = _fullest(stretch)
        light, _ = light_load_ms(stretch, disk)
        few |= (together <= MOST_IN_FLIGHT) & (disk.await_ms < NOT_SLOWED * light)
    name = max(parts, key=lambda p: stretch.mean(p[1]))[0]
    mean = stretch.mean(together)
    return claim_of(
        stretch,
        "latency",
        (storage_share(stretch) >= LEAST_WAITED) & few,
        "certain" if 0.75 <= mean <= 1.2 else "likely",
        [
            stretch.evidence(f"{mean:.1f} requests in flight, on average", QUEUE_DEPTH.name, mean,
                             "requests"),
            *_each(stretch, name),
        ],
        device=name,
    )  # fmt: skip


def unclear(stretch: Stretch) -> str | None:
    """Return why requests in flight say nothing; None where they do, or there are few."""
    if not stretch.disks or not _light_load_unknown(stretch):
        return None
    disk = _fullest(stretch)
    in_flight = stretch.mean(disk.in_flight)
    if not in_flight > FEW_IN_FLIGHT:
        return None
    return (
        f"{in_flight:.1f} requests in flight at {disk.name}, {stretch.mean(disk.await_ms):.3g} ms "
        "each: whether they queue is not known, since the run has no time with a single request in "
        "flight on this drive (mpi_collector probe measures one)"
    )


def _fullest(stretch: Stretch) -> DiskActivity:
    return max(stretch.disks, key=lambda d: stretch.mean(d.in_flight))


def _light_load_unknown(stretch: Stretch) -> bool:
    """Return whether nothing tells the time of one request: of a virtual drive nothing is usual."""
    disk = _fullest(stretch)
    return is_virtual(disk) and not light_load_ms(stretch, disk)[1]


def storage_share(stretch: Stretch) -> Float64:
    """Return the share of each interval in which a request was in flight, at the most.

    Requests that come many at once, between pauses, are in flight for less of the time than their
    mean number says; the kernel's own share (``time_doing_ios_ms``) counts each clock tick in which
    one began as a whole. Each is the larger one at times, and neither is ever too small.
    """
    parts = [np.fmin(d.in_flight, d.busy) for d in stretch.disks_once]
    parts += [m.in_flight for m in stretch.mounts]
    if not parts:
        return np.zeros(len(stretch))
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


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
