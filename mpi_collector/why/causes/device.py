"""``device``: requests queue at a block device, and more of them would not make it faster.

%util does not tell: it is the share of time with at least one request in flight, which a device
that serves many at once reaches long before its ceiling (iostat(1)). Queueing tells: many requests
in flight, each taking a multiple of its time at light load. Where the kernel holds requests back
above the device (a throttle that the recording cannot see) tasks wait for I/O though few requests
are in flight; that is a limit of the device as far as the job can tell. Only tasks in a read or
write call wait so that the kernel counts it: behind libaio and io_uring such a throttle is not told
from a program that pauses (``asynchronous.py``).
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Ceiling, Claim
from mpi_collector.store.figures.disk import QUEUE_DEPTH
from mpi_collector.why.claims import claim_of
from mpi_collector.why.light_load import is_virtual, light_load_ms
from mpi_collector.why.stretch import LOOP, DiskActivity, Stretch

QUEUE = 3.0  #: requests in flight
SLOWED = 1.4  #: time of a request / its time at light load
#: where each takes about twice its time, one of three waits for the others
SHORT_QUEUE = 2.4
SHORT_SLOWED = 1.9
DEEP_QUEUE = 32.0  #: requests in flight at which a smaller slow-down suffices
DEEP_SLOWED = 1.15
CERTAIN_SLOWED = 3.0
CERTAIN_QUEUE = 8.0
SPINNING_QUEUE = 2.5
FULL = 0.86  #: of what a probed device can do
CERTAIN_FULL = 0.92
#: a throttle above the device: tasks wait nearly always, few requests are in flight
HELD_PRESSURE = 0.9
HELD_IN_FLIGHT = 1.0
HELD_BLOCKED = 3.0
#: one task that waits has a request in flight, unless that is held back (a throttled dd: 0.01 to
#: 0.1), and its PSI may be half of the time where it is counted per CPU (0.50 to 0.99)
HELD_ONE_IN_FLIGHT = 0.2
HELD_ONE_PRESSURE = 0.4
#: of the bytes of the busiest device: one that is built on a file carries the same bytes
ON_TOP = 0.9
PRESSURE = "pressure.io.some_us"


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim on the device with the most requests waiting; None where none queues."""
    found = [
        (waiting(stretch, d), c)
        for d in stretch.disks
        if (c := _at_ceiling(stretch, d) or _queues(stretch, d))
    ]
    if found:
        return max(found, key=lambda f: f[0])[1]
    return _held_back(stretch)


def waiting(stretch: Stretch, disk: DiskActivity) -> float:
    """Return how many requests wait at a device for others, mean."""
    light, _ = light_load_ms(stretch, disk)
    return max(stretch.mean(disk.in_flight) - stretch.mean(disk.iops) * light / 1e3, 0.0)


def is_held_back(claim: Claim) -> bool:
    """Return whether a claim of this module says that requests are held back above the device."""
    return claim["for"][0]["figure"] == PRESSURE


def _queues(stretch: Stretch, disk: DiskActivity) -> Claim | None:
    light, learned = light_load_ms(stretch, disk)
    with np.errstate(divide="ignore", invalid="ignore"):
        slowed = disk.await_ms / light
    virtual = is_virtual(disk)
    queue = SPINNING_QUEUE if disk.facts.get("rotational") and not virtual else QUEUE
    # the usual time of a virtual drive may be ten times its own: a deep queue says more
    deep = (disk.in_flight >= DEEP_QUEUE) & ((slowed >= DEEP_SLOWED) | (virtual and not learned))
    short = (disk.in_flight >= SHORT_QUEUE) & (slowed >= SHORT_SLOWED)
    in_flight, times = stretch.mean(disk.in_flight), stretch.mean(slowed)
    certain = in_flight >= CERTAIN_QUEUE and times >= CERTAIN_SLOWED
    rate = stretch.mean(disk.bytes_per_s)
    return claim_of(
        stretch,
        "device",
        ((disk.in_flight >= queue) & (slowed >= SLOWED)) | short | deep,
        "certain" if certain else "likely",
        [
            stretch.evidence(f"{in_flight:.1f} requests in flight", QUEUE_DEPTH.name, in_flight,
                             "requests"),
            stretch.evidence(
                f"await {stretch.mean(disk.await_ms):.2f} ms" + _times(times, learned),
                f"diskstats.{disk.name}.time_reading_ms", stretch.mean(disk.await_ms), "ms"),
        ],
        device=disk.name,
        ceiling=_learned(rate),
    )  # fmt: skip


def _times(times: float, learned: bool) -> str:
    """Return how many times that at light load an await is, where this says anything."""
    if learned:
        return f", {times:.1f} × its value at light load in this run"
    return f", {times:.1f} × the usual one of such a drive" if times >= DEEP_SLOWED else ""


def _at_ceiling(stretch: Stretch, disk: DiskActivity) -> Claim | None:
    """Return the claim on a device that does as much as when it was probed."""
    probed = stretch.probed(disk)
    if probed is None:
        return None
    streams = (
        disk.read_bytes_per_s / probed.read_bytes_per_s
        + disk.write_bytes_per_s / probed.write_bytes_per_s
    )
    used = np.fmax(streams, disk.reads_per_s / probed.random_reads_per_s)
    mean = stretch.mean(used)
    reads = stretch.mean(disk.read_bytes_per_s) >= stretch.mean(disk.write_bytes_per_s)
    ceiling = probed.read_bytes_per_s if reads else probed.write_bytes_per_s
    return claim_of(
        stretch,
        "device",
        used >= FULL,
        "certain" if mean >= CERTAIN_FULL else "likely",
        [
            stretch.evidence(
                f"{100 * mean:.0f} % of what {probed.device} did when {probed.host} was probed",
                f"diskstats.{disk.name}", 100 * mean, "%"),
            stretch.evidence(f"{stretch.mean(disk.in_flight):.1f} requests in flight",
                             QUEUE_DEPTH.name, stretch.mean(disk.in_flight), "requests"),
        ],
        device=disk.name,
        ceiling={"value": ceiling, "unit": "bytes/s", "kind": "probed"},
    )  # fmt: skip


def _learned(bytes_per_s: float) -> Ceiling | None:
    """Return the throughput at which the device stood while requests queued."""
    if not np.isfinite(bytes_per_s):
        return None
    return {"value": bytes_per_s, "unit": "bytes/s", "kind": "learned"}


def _topmost(stretch: Stretch) -> DiskActivity:
    """Return the device with the most bytes; of a loop device and what is below it, the former."""
    most = max(stretch.mean(d.bytes_per_s) for d in stretch.disks)
    alike = [d for d in stretch.disks if stretch.mean(d.bytes_per_s) >= ON_TOP * most]
    return max(alike, key=lambda d: (d.name.startswith(LOOP), stretch.mean(d.bytes_per_s)))


def _held_back(stretch: Stretch) -> Claim | None:
    pressure, blocked = stretch.pressure("io"), stretch.blocked
    if pressure is None or blocked is None or not stretch.disks or stretch.mounts:
        return None
    disk = _topmost(stretch)
    in_flight = np.sum([d.in_flight for d in stretch.disks_once], axis=0)
    several = (in_flight <= HELD_IN_FLIGHT) & (blocked >= HELD_BLOCKED)
    one = (in_flight <= HELD_ONE_IN_FLIGHT) & (blocked >= 1)
    holds = ((pressure >= HELD_PRESSURE) & several) | ((pressure >= HELD_ONE_PRESSURE) & one)
    return claim_of(
        stretch,
        "device",
        holds,
        "likely",
        [
            stretch.evidence(
                f"tasks waited for I/O {100 * stretch.mean(pressure):.0f} % of the time (PSI some) "
                f"with {stretch.mean(in_flight):.1f} requests in flight: they were held back "
                "above the device", PRESSURE, 100 * stretch.mean(pressure), "%"),
        ],
        device=disk.name,
        ceiling=_learned(stretch.mean(disk.bytes_per_s)),
    )  # fmt: skip
