"""Block devices: throughput, requests, latency, utilisation and queue depth, from diskstats.

The arithmetic is that of iostat (sysstat).
"""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject, known_sum, positive
from mpi_collector.store.figures.figure import NO_OUTLIERS, Chart, Column, Figure, Group
from mpi_collector.store.host import Float64

#: of diskstats, whatever the device's own sector size (Documentation/admin-guide/iostats.rst)
SECTOR_BYTES = 512

#: what a reader of the figures must know (Documentation/admin-guide/iostats.rst, field 10)
UTILISATION_CAVEAT = (
    "since Linux 5.0 sampled once a jiffy, and no saturation: a device that works on several "
    "requests at once can do more at 100 %"
)
DISK = Subject(
    order=10,
    group=Group.STORAGE,
    lists=(
        DeviceList(
            "disk",
            "diskstats",
            lambda host: host.devices("diskstats", "sectors_read"),
            lambda host: host.derived.block.left_out,
        ),
    ),
)
READ_BYTES = DISK.figure(
    "read_bytes_per_s",
    "read",
    "bytes/s",
    "sum",
    "sectors read x 512 per second, counted devices",
    chart=Chart(heat=True),
    columns=(Column("read"), Column("peak", "peak")),
)
WRITE_BYTES = DISK.figure(
    "write_bytes_per_s",
    "write",
    "bytes/s",
    "sum",
    "sectors written x 512 per second, counted devices",
    chart=Chart(heat=True),
    columns=(Column("write"), Column("peak", "peak")),
)
READS = DISK.figure(
    "read_iops",
    "read IOPS",
    "1/s",
    "sum",
    "reads completed per second",
    columns=(Column("read/IOPS"),),
)
WRITES = DISK.figure(
    "write_iops",
    "write IOPS",
    "1/s",
    "sum",
    "writes completed per second",
    columns=(Column("write/IOPS"),),
)
DISCARDS = DISK.figure(
    "discard_iops",
    "discard IOPS",
    "1/s",
    "sum",
    "discards (trim) completed per second; sar counts them in tps; since Linux 4.18",
    hidden_when_zero=True,
    optional=True,
)
READ_LATENCY = DISK.figure(
    "read_latency_ms",
    "read latency",
    "ms",
    "mean",
    "mean time of a read, queueing included (r_await); unknown where none completed",
    chart=Chart(heat=True),
    columns=(Column("read/await"),),
    undefined_when_idle=True,
)
WRITE_LATENCY = DISK.figure(
    "write_latency_ms",
    "write latency",
    "ms",
    "mean",
    "mean time of a write, queueing included (w_await); unknown where none completed",
    chart=Chart(heat=True),
    columns=(Column("write/await"),),
    undefined_when_idle=True,
)
UTILISATION = DISK.figure(
    "utilisation_percent",
    "device busy",
    "%",
    "mean",
    "time with requests in flight (%util), mean of the counted devices that had any; "
    + UTILISATION_CAVEAT,
    outlier_floor=NO_OUTLIERS,
)
UTILISATION_MAX = DISK.figure(
    "utilisation_max_percent",
    "busiest device",
    "%",
    "mean",
    "the same, of the device that was busiest in the interval",
    chart=Chart(heat=True),
    columns=(Column("busiest/device"),),
    limit=95.0,
    of_devices=False,
)
QUEUE_DEPTH = DISK.figure(
    "queue_depth",
    "queue depth",
    "requests",
    "sum",
    "requests in flight, mean over time, all counted devices (aqu-sz of iostat)",
    columns=(Column("queue"),),
)


@DISK.computed_by
def derive_disk(host: Deriver) -> None:
    """Add the figures of the counted block devices."""
    _requests(host, "read", "sectors_read", (READ_BYTES, READS, READ_LATENCY))
    _requests(host, "write", "sectors_written", (WRITE_BYTES, WRITES, WRITE_LATENCY))
    devices = host.derived.block.devices
    host.add_rate(DISCARDS, host.total("diskstats", devices, "discards_completed"))
    queue_ms = host.total("diskstats", devices, "weighted_time_doing_ios_ms")
    host.add(QUEUE_DEPTH, None if queue_ms is None else queue_ms / (host.seconds * 1e3))
    # a device without a request in the whole run says nothing about those that are in use
    used = host.derived.block.used or devices
    for name in host.derived.block.idle if len(used) < len(devices) else ():
        host.note(f"{name}: no request in the whole run, left out of means over disks")
    used = [d for d in used if f"diskstats.{d}.time_doing_ios_ms" in host.columns]
    busy_ms = host.growths("diskstats", used, "time_doing_ios_ms")
    busy = [ms / (host.seconds * 10) for ms in busy_ms]
    if busy:
        known = np.sum([np.isfinite(b) for b in busy], axis=0)
        host.add(UTILISATION, np.asarray(known_sum(busy)) / positive(known))
        host.add(UTILISATION_MAX, np.fmax.reduce(busy))
        means = [_mean(b, host.seconds) for b in busy]
        if max(means) > 0:
            host.derived.busiest = (used[int(np.argmax(means))], max(means))


def _mean(values: Float64, seconds: Float64) -> float:
    """Return the mean over time; 0 where nothing is known."""
    known = np.isfinite(values) & np.isfinite(seconds)
    total = float(seconds[known].sum())
    return float((values[known] * seconds[known]).sum()) / total if total > 0 else 0.0


def _requests(
    host: Deriver, verb: str, sectors_column: str, figures: tuple[Figure, Figure, Figure]
) -> None:
    """Add bytes per second, requests per second and latency of reads or writes."""
    throughput, iops, latency = figures
    devices = host.derived.block.devices
    sectors = host.total("diskstats", devices, sectors_column)
    count = host.total("diskstats", devices, f"{verb}s_completed")
    took_ms = host.total(
        "diskstats", devices, f"time_{'reading' if verb == 'read' else 'writing'}_ms"
    )
    host.add_rate(throughput, None if sectors is None else sectors * SECTOR_BYTES)
    host.add_rate(iops, count)
    if count is not None and took_ms is not None:
        host.add_per_request(latency, took_ms, count)
