"""The time of a single request of a device with nothing else in flight.

It is learned from intervals of the same recording in which few requests were in flight; without
such intervals the usual values by the kind of drive serve, whose use makes a claim at most likely.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.why.stretch import DiskActivity, Stretch

#: requests in flight up to which a request waits for nothing but itself
_FEW = 1.3
_LEAST_IOPS = 5.0
#: (fixed part in ms, bytes per ms of one stream)
_NVME = (0.12, 2.0e6)
_SSD = (0.15, 0.45e6)
_CLOUD = (0.8, 0.25e6)
_SPINNING = (7.0, 0.18e6)
_VIRTUAL_BUSES = ("virtio", "vmbus", "xen", "rbd", "iscsi")
_VIRTUAL_NAMES = ("vd", "xvd", "rbd")


def is_virtual(disk: DiskActivity) -> bool:
    """Return whether a drive is another machine's: what it says of its rotation means nothing."""
    return disk.facts.get("bus") in _VIRTUAL_BUSES or disk.name.startswith(_VIRTUAL_NAMES)


def usual_ms(disk: DiskActivity, request_bytes: float) -> float:
    """Return the usual time of one request of this size for this kind of drive."""
    if is_virtual(disk):
        fixed, per_ms = _CLOUD
    elif disk.facts.get("rotational"):
        fixed, per_ms = _SPINNING
    elif disk.facts.get("bus") == "nvme" or disk.name.startswith("nvme"):
        fixed, per_ms = _NVME
    else:
        fixed, per_ms = _SSD
    return fixed + request_bytes / per_ms


def light_load_ms(stretch: Stretch, disk: DiskActivity) -> tuple[float, bool]:
    """Return (time of a request at light load in ms, whether it was learned in this phase)."""
    iops = stretch.mean(disk.iops)
    size = stretch.mean(disk.bytes_per_s) / iops if iops > 0 else 0.0
    few = (disk.in_flight <= _FEW) & (disk.iops >= _LEAST_IOPS) & np.isfinite(disk.await_ms)
    usual = usual_ms(disk, size if np.isfinite(size) else 0.0)
    if few.sum() >= 3:
        return float(np.median(disk.await_ms[few])), True
    return usual, False
