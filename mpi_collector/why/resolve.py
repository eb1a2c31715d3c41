"""Which of several claims about one host in one phase is what limits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.why.asynchronous import unseen_waits
from mpi_collector.why.causes import (
    cgroup,
    cpu,
    device,
    latency,
    memory,
    network,
    nothing,
    one_core,
    remote_storage,
    steal,
    write_back,
)
from mpi_collector.why.job_bytes import io_of_others
from mpi_collector.why.others import others
from mpi_collector.why.stretch import Stretch

#: what explains the others, first: reclaim makes devices busy, the hypervisor makes CPUs look full,
#: the flusher fills the device's queue
_FIRST = (memory, steal, write_back)
#: resources that may be full together: the one for which more threads wait counts
_TOGETHER = (cgroup, cpu, one_core, network, remote_storage, device)
_LAST = (latency, nothing)
#: limits of storage, which are the job's as far as the I/O is
_STORAGE = ("device", "latency", "write-back")


def claims_on(stretch: Stretch) -> list[Claim]:
    """Return the claims on one host in one phase, what limits it first.

    A limit of storage that others use more than the job is not certain.
    """
    found = _found(stretch)
    if any(c["cause"] in _STORAGE for c in found) and (foreign := io_of_others(stretch)):
        for claim in found:
            if claim["cause"] in _STORAGE:
                claim["confidence"] = "likely"
                claim["against"] = [*claim["against"], foreign]
    if found:
        found[0]["others"] = others(stretch, found[0]["cause"])
    return found


def _found(stretch: Stretch) -> list[Claim]:
    first = _claims(stretch, _FIRST)
    together = sorted(_claims(stretch, _TOGETHER), key=lambda c: -_waiting(stretch, c))
    found = first + together
    return found or _claims(stretch, _LAST)[:1]


class _Cause(Protocol):
    """A module of ``causes``."""

    def claim(self, stretch: Stretch, /) -> Claim | None: ...


def _claims(stretch: Stretch, causes: Sequence[_Cause]) -> list[Claim]:
    return [c for cause in causes if (c := cause.claim(stretch)) is not None]


def _waiting(stretch: Stretch, claim: Claim) -> float:
    """Return how many threads or requests wait for the resource of a claim, mean."""
    if claim["cause"] == "device" and device.is_held_back(claim):
        blocked = stretch.blocked
        return 0.0 if blocked is None else stretch.mean(blocked)
    if claim["cause"] == "device":
        disk = next(d for d in stretch.disks if d.name == claim["device"])
        return device.waiting(stretch, disk)
    if claim["cause"] == "remote storage":
        mount = next(m for m in stretch.mounts if m.name == claim["device"])
        return stretch.mean(mount.in_flight)
    if claim["cause"] == "network":
        # what waits for a link is seen at the mounts, if anywhere
        return max([stretch.mean(m.in_flight) for m in stretch.mounts], default=4.0)
    if claim["cause"] == "cgroup":
        return cgroup.waiting(stretch, claim)
    runnable, busy = stretch.runnable, stretch.cpu_busy
    if runnable is None or busy is None:
        return 0.0
    return max(stretch.mean(runnable - busy * stretch.cpus) - 1, 0.0)


def why_not(stretch: Stretch) -> str:
    """Return why nothing is claimed about a host in a phase."""
    if not len(stretch):
        return "it is shorter than an interval"
    if len(stretch) < 4:
        return (
            "1 interval is too few"
            if len(stretch) == 1
            else f"{len(stretch)} intervals are too few"
        )
    missing = [
        what
        for what, column in (("CPU time", "stat.cpu.idle"), ("pressure", "pressure.io.some_us"))
        if not stretch.has(column)
    ]
    if not stretch.devices("diskstats", "sectors_read"):
        missing.append("block devices")
    if missing:
        return f"not recorded: {', '.join(missing)}"
    busy = stretch.cpu_busy
    if busy is None or not np.isfinite(busy).any():
        return "CPU time is unknown in the whole phase"
    if (unseen := unseen_waits(stretch)) is not None:
        return unseen
    for reason in (latency.unclear(stretch), cpu.unclear(stretch)):
        if reason is not None:
            return reason
    return "no resource was in use for long enough, and not all were idle"
