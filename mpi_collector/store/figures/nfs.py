"""NFS clients: throughput, operations, latency and retransmits, from nfs (/proc/self/mountstats).

The arithmetic is that of nfsiostat: a mean round trip is the growth of the times over the growth of
the operations.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject, known_sum
from mpi_collector.store.figures.figure import Chart, Figure, NoChart
from mpi_collector.store.host import Float64

_METADATA = (
    "COMMIT",
    "GETATTR",
    "LOOKUP",
    "ACCESS",
    "OPEN",
    "CREATE",
    "REMOVE",
    "SETATTR",
    "READDIR",
    "OTHER",
)
_OPERATIONS = ("READ", "WRITE", *_METADATA)
_BEHIND = 51  #: charts of latency follow those of throughput and operations
_METADATA_BEHIND = 52
_LAST_IN_TABLES = 100

NFS = Subject(
    order=50,
    optional=True,
    lists=(DeviceList("mount", "nfs", lambda host: host.devices("nfs", "READ_ops")),),
)
READ_BYTES = NFS.figure(
    "nfs_read_bytes_per_s", "NFS read", "bytes/s", "sum", "read from NFS servers, all mounts"
)
WRITE_BYTES = NFS.figure(
    "nfs_write_bytes_per_s", "NFS write", "bytes/s", "sum", "written to NFS servers, all mounts"
)
OPERATIONS = NFS.figure(
    "nfs_iops", "NFS operations", "1/s", "sum", "READ, WRITE and all other operations per second"
)


_DETAIL = NoChart("its round trip is drawn")
#: what takes time: label, meaning
_TIMES = {
    "rtt": ("RTT", "mean round trip of {} calls, from sending to the reply"),
    "execute": ("latency", "mean time of {} calls from request to completion, queue included"),
    "queue": ("queue", "mean time that {} calls waited to be sent"),
}


def _latency(op: str, what: str, chart: Chart | NoChart, order: int | None = None) -> Figure:
    label, doc = _TIMES[what]
    return NFS.figure(
        f"nfs_{op.lower()}_{what}_ms",
        f"NFS {op.lower()} {label}",
        "ms",
        "mean",
        doc.format(op) + ("" if order is None else "; only where there were any"),
        order=order,
        chart=chart,
        undefined_when_idle=True,
    )


#: (operation, what takes time) -> figure
_LATENCY = {
    (op, what): _latency(op, what, Chart(order=_BEHIND) if what != "queue" else _DETAIL)
    for what in _TIMES
    for op in ("READ", "WRITE")
}
RETRANSMITS = NFS.figure(
    "nfs_retransmit_percent",
    "NFS retransmits",
    "%",
    "mean",
    "requests retransmitted, as a share of all operations",
    undefined_when_idle=True,
)
_LATENCY.update(
    {
        (op, what): _latency(
            op, what, Chart(order=_METADATA_BEHIND) if what == "rtt" else _DETAIL, _LAST_IN_TABLES
        )
        for what in ("rtt", "execute")
        for op in _METADATA
    }
)


@NFS.computed_by
def derive_nfs(host: Deriver) -> None:
    """Add the figures of all NFS mounts together."""
    mounts = host.devices("nfs", "READ_ops")
    if not mounts:
        return
    host.add_rate(READ_BYTES, host.total("nfs", mounts, "server_read_bytes"))
    host.add_rate(WRITE_BYTES, host.total("nfs", mounts, "server_write_bytes"))
    counts = _totals(host, mounts, "ops")
    transmissions = _totals(host, mounts, "transmissions")
    operations = known_sum(list(counts.values()))
    if operations is None:
        return
    host.add_rate(OPERATIONS, operations)
    sent = known_sum(list(transmissions.values()))
    if sent is not None:
        host.add_percent(RETRANSMITS, np.maximum(sent - operations, 0), operations)
    for (op, what), figure in _LATENCY.items():
        count = counts.get(op)
        took_ms = host.total("nfs", mounts, f"{op}_{what}_ms")
        if count is None or took_ms is None or (op in _METADATA and not np.nansum(count) > 0):
            continue
        host.add_per_request(figure, took_ms, count)


def _totals(host: Deriver, mounts: list[str], what: str) -> dict[str, Float64]:
    """Return {operation: growth over all mounts} of the operations that were recorded."""
    found = {op: host.total("nfs", mounts, f"{op}_{what}") for op in _OPERATIONS}
    return {op: total for op, total in found.items() if total is not None}
