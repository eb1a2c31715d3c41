"""Figures of what only some hosts have: NFS, Lustre, fabrics; and of TCP and pressure. Same rules as in ``derived``.

NFS as nfsiostat has it: a mean round trip is the growth of the times over the growth of the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mpi_collector.store.figures.derive import _Deriver
    from mpi_collector.store.recording import Float64

TABLE = """
nfs_read_bytes_per_s    | NFS read         | bytes/s | sum  | read from NFS servers, all mounts
nfs_write_bytes_per_s   | NFS write        | bytes/s | sum  | written to NFS servers, all mounts
nfs_iops                | NFS operations   | 1/s     | sum  | READ, WRITE and all other operations per second
nfs_read_rtt_ms         | NFS read rtt     | ms      | mean | time from sending a READ to its answer
nfs_write_rtt_ms        | NFS write rtt    | ms      | mean | time from sending a WRITE to its answer
nfs_read_execute_ms     | NFS read time    | ms      | mean | time from the request for a READ to its completion, queue included
nfs_write_execute_ms    | NFS write time   | ms      | mean | time from the request for a WRITE to its completion, queue included
nfs_retransmit_percent  | NFS sent again   | %       | mean | requests sent again, of all operations
lustre_read_bytes_per_s | Lustre read      | bytes/s | sum  | read by system calls on Lustre mounts (llite)
lustre_write_bytes_per_s | Lustre write    | bytes/s | sum  | written by system calls on Lustre mounts (llite)
fabric_rx_bytes_per_s   | fabric in        | bytes/s | sum  | received by InfiniBand, RoCE, Omni-Path and Slingshot
fabric_tx_bytes_per_s   | fabric out       | bytes/s | sum  | sent by InfiniBand, RoCE, Omni-Path and Slingshot
tcp_retransmit_percent  | TCP sent again   | %       | mean | segments sent again, of all that were sent
pressure_cpu_percent    | waiting for CPU  | %       | mean | time in which some task waited for a CPU (PSI)
pressure_io_percent     | waiting for I/O  | %       | mean | time in which some task waited for I/O (PSI)
pressure_memory_percent | waiting for memory | %     | mean | time in which some task waited for memory (PSI)
"""
_OPS = (
    "READ",
    "WRITE",
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
_METADATA = _OPS[2:]
for _op in (op.lower() for op in _METADATA):
    TABLE += f"nfs_{_op}_rtt_ms | NFS {_op} rtt | ms | mean | time from sending it to its answer; only where there were any\n"


def more(d: _Deriver) -> None:
    """Add those whose columns were recorded."""
    _nfs(d)
    for way, field in (("read", "read_bytes_sum"), ("write", "write_bytes_sum")):
        devices = [name for name in d.devices("lustre", field) if name.startswith("llite/")]
        _per_second(d, f"lustre_{way}_bytes_per_s", d.total("lustre", devices, field))
    for way, field in (("rx", "port_rcv_data"), ("tx", "port_xmit_data")):
        octets = f"hni_sts_{way}_ok_octets"
        kinds = (("infiniband", field), ("slingshot", octets))
        growths = [
            g for source, f in kinds if (g := d.total(source, d.devices(source, f), f)) is not None
        ]
        if growths:
            _per_second(d, f"fabric_{way}_bytes_per_s", _known_sum(growths))
    again, sent = (d.total("tcp", ["Tcp"], field) for field in ("RetransSegs", "OutSegs"))
    if again is not None and sent is not None:
        _share(d, "tcp_retransmit_percent", again, sent)
    for resource in ("cpu", "io", "memory"):
        name = f"pressure.{resource}.some_us"
        if name in d.columns:
            d.add(f"pressure_{resource}_percent", d.growth(name) / (d.seconds * 1e4))


def _nfs(d: _Deriver) -> None:
    mounts = d.devices("nfs", "READ_ops")
    if not mounts:
        return
    for way, field in (("read", "server_read_bytes"), ("write", "server_write_bytes")):
        _per_second(d, f"nfs_{way}_bytes_per_s", d.total("nfs", mounts, field))
    counts = {op: c for op in _OPS if (c := d.total("nfs", mounts, f"{op}_ops")) is not None}
    sents = [c for op in _OPS if (c := d.total("nfs", mounts, f"{op}_transmissions")) is not None]
    if not counts:
        return
    ops = _known_sum(list(counts.values()))
    d.add("nfs_iops", ops / d.seconds)
    if sents:
        _share(d, "nfs_retransmit_percent", np.maximum(_known_sum(sents) - ops, 0), ops)
    for op, count in counts.items():
        if op in _METADATA and not np.nansum(count) > 0:
            continue
        for what in ("rtt", "execute") if op in ("READ", "WRITE") else ("rtt",):
            took = d.total("nfs", mounts, f"{op}_{what}_ms")
            if took is not None:
                per_op, weight = (
                    took / np.where(count > 0, count, np.nan),
                    np.where(count >= 0, count, np.nan),
                )
                d.add(f"nfs_{op.lower()}_{what}_ms", per_op, weight)


def slowed(meta: dict[str, Any]) -> list[str]:
    """What was read less often than it should have been, for people."""
    worst: dict[str, tuple[int, int]] = {}
    events = meta.get("events")
    for e in events if isinstance(events, list) else []:
        if isinstance(e, dict) and e.get("type") == "slowed" and isinstance(e.get("source"), str):
            every, cost_us = (
                int(e[k]) if isinstance(e.get(k), int) else 0 for k in ("every", "cost_us")
            )
            worst[e["source"]] = max(worst.get(e["source"], (0, 0)), (every, cost_us))
    return [
        f"{source}: dearer than its time budget (a reading took {cost_us / 1000:g} ms), read at every {every}th tick at worst"
        for source, (every, cost_us) in worst.items()
    ]


def _known_sum(parts: list[Float64]) -> Float64:
    """Of what is known in an interval; unknown where nothing is, never 0."""
    known = np.any(np.isfinite(parts), axis=0)
    return np.where(known, np.nansum(parts, axis=0), np.nan)


def _per_second(d: _Deriver, name: str, growth: Float64 | None) -> None:
    d.add(name, None if growth is None else growth / d.seconds)


def _share(d: _Deriver, name: str, part: Float64, whole: Float64) -> None:
    """Percent of what there was, weighted with it; unknown where there was nothing."""
    d.add(
        name, 100 * part / np.where(whole > 0, whole, np.nan), np.where(whole >= 0, whole, np.nan)
    )
