"""The time of a single request of a device with nothing else in flight.

It is learned from intervals in which few requests were in flight: of the phase, else of the whole
run, there with requests of about the same size and direction. Without such intervals the usual
values by the kind of drive serve.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpi_collector.why.stretch import DiskActivity, Stretch

Bools = npt.NDArray[np.bool_]
#: requests in flight up to which a request waits for nothing but itself
_FEW = 1.3
_LEAST_IOPS = 5.0
_LEAST_INTERVALS = 3
_SIZE = 2.0  #: by which sizes of requests may differ in another phase
_READ = 0.2  #: by which the shares of reads may differ there
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
    """Return (time of a request at light load in ms, whether it was learned in this run)."""
    few = _few(disk)
    if few.sum() >= _LEAST_INTERVALS:
        return float(np.median(disk.await_ms[few])), True
    iops = stretch.mean(disk.iops)
    size = stretch.mean(disk.bytes_per_s) / iops if iops > 0 else 0.0
    if not np.isfinite(size):
        size = 0.0
    elsewhere = _elsewhere_ms(stretch, disk, size) if size else None
    return (usual_ms(disk, size), False) if elsewhere is None else (elsewhere, True)


def _few(disk: DiskActivity) -> Bools:
    """Return the intervals in which a request waited for nothing but itself."""
    few = (disk.in_flight <= _FEW) & (disk.iops >= _LEAST_IOPS) & np.isfinite(disk.await_ms)
    return np.asarray(few, dtype=np.bool_)


def _elsewhere_ms(stretch: Stretch, disk: DiskActivity, size: float) -> float | None:
    """Return the time of such a request at light load in the whole run; None: there was none."""
    run = stretch.in_the_run(disk)
    if run is None:
        return None
    reads = stretch.mean(disk.reads_per_s) / stretch.mean(disk.iops)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = run.bytes_per_s / run.iops
        alike = (sizes <= _SIZE * size) & (sizes >= size / _SIZE)
        alike &= np.abs(run.reads_per_s / run.iops - reads) <= _READ
    found = run.await_ms[_few(run) & alike]
    return float(np.median(found)) if len(found) >= _LEAST_INTERVALS else None
