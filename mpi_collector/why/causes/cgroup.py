"""``cgroup``: a limit of the job's own control group: CPU quota or I/O limit.

The kernel counts the periods in which the quota stopped tasks (cgroup-v2.rst: ``nr_throttled`` of
``nr_periods``); an I/O limit holds requests back before the device counts them, so the device shows
few requests in flight at a rate that is that of ``io.max``.
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
#: a quota of one CPU fills one CPU at most: of larger ones this share of the quota must be used
USED = 0.8


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim with the larger share of time, None where no limit was reached."""
    found = [c for c in (_quota(stretch), *_io(stretch)) if c is not None]
    return max(found, key=lambda c: c["share_of_time"], default=None)


def waiting(stretch: Stretch, claim: Claim) -> float:
    """Return how many threads a limit holds back, mean."""
    if claim["device"] is not None:
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
    limit = (stretch.snapshot.get("cgroup_limits") or {}).get("cpus_max")
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


def io_limits(stretch: Stretch) -> dict[str, dict[str, float]]:
    """Return {device: {rbps, wbps, riops, wiops}} of ``io.max``, as far as devices are known."""
    names = {
        f"{row.get('major')}:{row.get('minor')}": str(row.get("device_name"))
        for row in stretch.snapshot.get("diskstats") or []
    }
    numbers = {d.get("dev"): str(d.get("name")) for d in stretch.snapshot.get("drives") or []}
    out: dict[str, dict[str, float]] = {}
    for line in (stretch.snapshot.get("cgroup_limits") or {}).get("io_max") or []:
        device, _, rest = str(line).partition(" ")
        name = numbers.get(device) or names.get(device) or device
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
    measured = {"rbps": disk.read_bytes_per_s, "wbps": disk.write_bytes_per_s}
    shares = {k: measured[k] / limits[k] for k in measured if limits.get(k)}
    if not shares:
        return None
    key = max(shares, key=lambda k: stretch.mean(shares[k]))
    mean = stretch.mean(measured[key])
    return claim_of(
        stretch,
        "cgroup",
        shares[key] >= AT_IO_LIMIT,
        "certain",
        [
            stretch.evidence(
                f"{disk.name}: {mean / 1e6:.0f} MB/s of the {limits[key] / 1e6:.0f} MB/s that "
                f"io.max allows", f"diskstats.{disk.name}", mean, "bytes/s"),
        ],
        device=disk.name,
        ceiling={"value": limits[key], "unit": "bytes/s", "kind": "declared"},
    )  # fmt: skip
