"""``cgroup``: a limit of the job's own control group: CPU quota, I/O limit or memory limit.

The kernel counts the periods in which the quota stopped tasks (cgroup-v2.rst: ``nr_throttled`` of
``nr_periods``); an I/O limit holds requests back before the device counts them, so the device shows
few requests in flight at a rate that is that of ``io.max``. A memory limit is reached by every job
that reads more than that through the page cache, which does no harm; it limits where pages are read
again that were evicted (``workingset_refault_file``, mm/workingset.c).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mpi_collector.formats.why_document import Ceiling, Claim
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import DiskActivity, Stretch

THROTTLED = 0.25  #: share of periods in which the quota stopped tasks
CERTAIN_THROTTLED = 0.6
AT_IO_LIMIT = 0.88  #: share of the I/O limit
ABOVE_IO_LIMIT = 1.2  #: a device that does more is not the one that is limited
_BURSTS_S = 2.0  #: a throttle lets large requests pass in bursts
HITS_PER_S = 100.0  #: times the memory limit was reached
AGAIN = 0.3  #: of the bytes read, those of pages that had been evicted
#: version 1, version 2
MEMORY_HITS = ("cgroup.memory.memory_limit_hits", "cgroup.memory.events_max")
_PAGE_BYTES = 4096
_FIXED = {"7": "loop", "9": "md"}  #: major number -> name before the minor one


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim with the larger share of time, None where no limit was reached."""
    found = [c for c in (_quota(stretch), _memory(stretch), *_io(stretch)) if c is not None]
    return max(found, key=lambda c: c["share_of_time"], default=None)


def waiting(stretch: Stretch, claim: Claim) -> float:
    """Return how many threads a limit holds back, mean."""
    if claim["device"] is not None or claim["for"][0]["figure"] in MEMORY_HITS:
        blocked = stretch.blocked
        return 4.0 if blocked is None else stretch.mean(blocked)
    for column, per_second in (("throttled_us", 1e6), ("throttled_time", 1e9)):
        held = stretch.rate(f"cgroup.cpu.{column}")
        if held is not None:
            return stretch.mean(held) / per_second
    return 1.0


def _quota(stretch: Stretch) -> Claim | None:
    periods = stretch.rate("cgroup.cpu.nr_periods")
    throttled = stretch.rate("cgroup.cpu.nr_throttled")
    if periods is None or throttled is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(periods > 0, throttled / periods, np.nan)
    limit = stretch.limits.get("cpus_max")
    mean = stretch.mean(share)
    ceiling: Ceiling | None = (
        {"value": float(limit), "unit": "CPUs", "kind": "declared"} if limit else None
    )
    return claim_of(
        stretch,
        "cgroup",
        share >= THROTTLED,
        "certain" if mean >= CERTAIN_THROTTLED else "likely",
        [
            stretch.evidence(
                f"the CPU quota stopped tasks in {100 * mean:.0f} % of its periods"
                + (f"; it allows {limit:g} CPUs" if limit else ""),
                "cgroup.cpu.nr_throttled", 100 * mean, "%"),
        ],
        ceiling=ceiling,
    )  # fmt: skip


def _memory(stretch: Stretch) -> Claim | None:
    again = stretch.rate("vmstat.workingset_refault_file")
    found = [(name, r) for name in MEMORY_HITS if (r := stretch.rate(name)) is not None]
    if again is None or not found or not stretch.disks:
        return None
    name, hits = found[0]
    read = np.sum([d.read_bytes_per_s for d in stretch.disks], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(read > 0, again * _PAGE_BYTES / read, np.nan)
    limit = stretch.limits.get("memory_max_bytes")
    ceiling: Ceiling | None = (
        {"value": float(limit), "unit": "bytes", "kind": "declared"} if limit else None
    )
    return claim_of(
        stretch,
        "cgroup",
        (hits >= HITS_PER_S) & (share >= AGAIN),
        "likely",
        [
            stretch.evidence(f"the memory limit was reached {stretch.mean(hits):.0f} times a "
                             "second", name, stretch.mean(hits), "1/s"),
            stretch.evidence(
                f"{100 * stretch.mean(share):.0f} % of what was read had been in memory before",
                "vmstat.workingset_refault_file", stretch.mean(again), "pages/s"),
        ],
        ceiling=ceiling,
    )  # fmt: skip


def io_limits(stretch: Stretch) -> dict[str, dict[str, float]]:
    """Return {device: {rbps, wbps, riops, wiops}} of ``io.max``, as far as devices are known.

    Numbers of loop and md devices are fixed (admin-guide/devices.txt), others are in the snapshot.
    """
    names = {
        f"{row.get('major')}:{row.get('minor')}": str(row.get("device_name"))
        for row in stretch.snapshot.get("diskstats") or []
    }
    numbers = {d.get("dev"): str(d.get("name")) for d in stretch.snapshot.get("drives") or []}
    out: dict[str, dict[str, float]] = {}
    for line in stretch.limits.get("io_max") or []:
        device, _, rest = str(line).partition(" ")
        major, _, minor = device.partition(":")
        fixed = _FIXED.get(major, "")
        name = numbers.get(device) or names.get(device) or (fixed + minor if fixed else device)
        for word in rest.split():
            key, _, value = word.partition("=")
            if value.isdigit():
                limits = out.setdefault(name, {})
                limits[key] = min(float(value), limits.get(key, np.inf))
    return out


def _io(stretch: Stretch) -> Iterator[Claim | None]:
    limits = io_limits(stretch)
    for disk in stretch.disks:
        known = limits.get(disk.name)
        if known is None and len(limits) == 1 and len(stretch.disks) == 1:
            known = next(iter(limits.values()))
        if known:
            yield _at_limit(stretch, disk, known)


def _at_limit(stretch: Stretch, disk: DiskActivity, limits: dict[str, float]) -> Claim | None:
    measured = {
        "rbps": disk.read_bytes_per_s,
        "wbps": disk.write_bytes_per_s,
        "riops": disk.reads_per_s,
        "wiops": disk.iops - disk.reads_per_s,
    }
    shares = {k: measured[k] / limits[k] for k in measured if limits.get(k)}
    if not shares:
        return None
    key = max(shares, key=lambda k: stretch.mean(shares[k]))
    mean, limit = stretch.mean(measured[key]), limits[key]
    share = stretch.smoothed(shares[key], _BURSTS_S)
    unit = "bytes/s" if key.endswith("bps") else "1/s"
    text = f"{mean / 1e6:.3g} MB/s of the {limit / 1e6:.3g} MB/s"
    if unit == "1/s":
        text = f"{mean:.0f} requests a second of the {limit:.0f}"
    return claim_of(
        stretch,
        "cgroup",
        (share >= AT_IO_LIMIT) & (share <= ABOVE_IO_LIMIT),
        "certain",
        [
            stretch.evidence(f"{disk.name}: {text} that its control group allows",
                             f"diskstats.{disk.name}", mean, unit),
        ],
        device=disk.name,
        ceiling={"value": limit, "unit": unit, "kind": "declared"},
    )  # fmt: skip
