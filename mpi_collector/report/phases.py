"""The phases of a run: how long, how much, how fast, and which device was the busiest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mpi_collector.formats.why_document import Claim, WhyDocument
from mpi_collector.report.cluster import Aggregation, Cluster
from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.report.summary_document import DeviceName, PhaseSummary
from mpi_collector.store.clip import Stretch, union
from mpi_collector.store.figures import disk, lustre, nfs
from mpi_collector.store.recorded_host import HostWindow, RecordedHost
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import limit_of

#: bytes of storage, each counted where the job moves them
STORAGE = tuple(
    figure.name for m in (disk, nfs, lustre) for figure in (m.READ_BYTES, m.WRITE_BYTES)
)


class Phases:
    """The phases of a recording, while its hosts are added. A window has none of its own."""

    def __init__(self, recording: Recording, intervals: RunIntervals) -> None:
        self._knots = recording.knots
        self._parts: dict[str, tuple[list[Stretch], Aggregation]] = {}
        if recording.stretches is not None:
            return
        stretches: dict[str, list[Stretch]] = {}
        for phase in recording.marks:
            if not phase.moment:
                stretches.setdefault(phase.name, []).append((phase.begin_ns, phase.end_ns))
        for name, found in stretches.items():
            joined = union(found)
            self._parts[name] = (joined, Aggregation(intervals.within(joined)))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, host: RecordedHost) -> None:
        """Add a host to every phase."""
        for stretches, aggregation in self._parts.values():
            aggregation.add(HostWindow(host, stretches, self._knots))

    def summaries(self, why: WhyDocument) -> list[PhaseSummary]:
        """Return the phases in the order in which they first began. ``why``: what limited them."""
        return [
            _summary(name, stretches, aggregation.cluster(), limit_of(why, name))
            for name, (stretches, aggregation) in self._parts.items()
        ]


def _summary(
    name: str, stretches: list[Stretch], cluster: Cluster, limit: Claim | None
) -> PhaseSummary:
    known = {n: t for n, t in cluster.totals.items() if math.isfinite(t.mean)}
    return {
        "name": name,
        "stretches": [[begin, end] for begin, end in stretches],
        "duration_s": sum(end - begin for begin, end in stretches) * 1e-9,
        "bytes": moved_bytes(cluster),
        "figures": {n: {"mean": t.mean, "peak": t.peak} for n, t in known.items()},
        "busiest": busiest_device(cluster),
        "busiest_cpu": busiest_cpu(cluster),
        "limited_by": limit["cause"] if limit else None,
    }


def moved_bytes(cluster: Cluster) -> float | None:
    """Return what was read and written on disks, NFS and Lustre mounts; None: not known."""
    means = [cluster.totals[name].mean for name in STORAGE if name in cluster.totals]
    known = [mean for mean in means if math.isfinite(mean)]
    return sum(known) * cluster.span_s if known else None


def busiest_device(cluster: Cluster) -> DeviceName | None:
    """Return the disk with the highest utilisation of all hosts, None where none was used."""
    return _busiest([(h.busiest, h.key) for h in cluster.hosts])


def busiest_cpu(cluster: Cluster) -> DeviceName | None:
    """Return the CPU with the highest utilisation of all hosts, None where none is known."""
    return _busiest([(h.busiest_cpu, h.key) for h in cluster.hosts])


def _busiest(hosts: Sequence[tuple[tuple[str, float] | None, str]]) -> DeviceName | None:
    found = [(busiest[1], busiest[0], key) for busiest, key in hosts if busiest is not None]
    if not found:
        return None
    _, name, host = max(found, key=lambda x: x[0])
    return {"name": name, "host": host}
