"""What the benchmark's own log says was read, held against what storage delivered in its phase."""

from __future__ import annotations

from mpi_collector.store.figures.disk import SECTOR_BYTES
from mpi_collector.store.phases import Phase
from mpi_collector.store.recording import Recording
from mpi_collector.why.stretch import Stretch

#: file systems whose bytes no source counts: what comes from them is not told from the page cache
_UNCOUNTED = ("9p", "virtiofs", "ceph", "cifs", "smb3", "beegfs", "gpfs", "wekafs", "pvfs2", "afs")
_FUSE = "fuse."
_NO_FILES = ("fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse")


def reported_reads(recording: Recording) -> dict[str, int]:
    """Return {phase: bytes that its program says that it read}, of a recording of one host.

    Of several hosts such a report does not say which one read. Phases in which another one that
    reports reading ran are left out.
    """
    if len(recording) != 1:
        return {}
    phases = [p for p in recording.marks if not p.moment]
    out: dict[str, int] = {}
    for name in dict.fromkeys(p.name for p in phases):
        own = [p for p in phases if p.name == name]
        told = [p.read_bytes for p in own if p.read_bytes is not None]
        beside = [p for p in phases if p.name != name and p.read_bytes]
        if len(told) == len(own) and not any(_overlap(a, b) for a in own for b in beside):
            out[name] = sum(told)
    return out


def _overlap(a: Phase, b: Phase) -> bool:
    return a.begin_ns < b.end_ns and b.begin_ns < a.end_ns


def has_uncounted_storage(stretch: Stretch) -> bool:
    """Return whether a file system is mounted whose bytes no source counts."""
    types = {str(m.get("fs_type")) for m in stretch.snapshot.get("mounts") or []} - {*_NO_FILES}
    return any(t in _UNCOUNTED or t.startswith(_FUSE) for t in types)


def delivered_in(stretch: Stretch, in_memory: tuple[str, ...]) -> tuple[float, float]:
    """Return (bytes that storage delivered in the phase, by how much they may differ).

    The edges of a phase lie within intervals. ``in_memory``: beginnings of the names of block
    devices that do not count.
    """
    columns = [
        (f"diskstats.{d.name}.sectors_read", SECTOR_BYTES)
        for d in stretch.disks
        if not d.name.startswith(in_memory)
    ]
    mounts = stretch.devices("nfs", "server_read_bytes")
    columns += [(f"nfs.{m}.server_read_bytes", 1) for m in mounts]
    targets = stretch.devices("lustre", "read_bytes_sum")
    columns += [(f"lustre.{d}.read_bytes_sum", 1) for d in targets if not d.startswith("llite/")]
    found = [[n * unit for n in stretch.amount_between(c)] for c, unit in columns]
    if not found:
        return 0.0, 0.0
    least, likely, most = map(sum, zip(*found))
    return likely, max(most - likely, likely - least)
