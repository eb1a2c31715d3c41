"""What a reader must know to read the figures of a summary correctly."""

from __future__ import annotations

from collections.abc import Sequence

from mpi_collector.formats.ordinal import ordinal
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.cluster import Cluster
from mpi_collector.store.figures import BY_NAME, FIGURES
from mpi_collector.store.figures.disk import UTILISATION, UTILISATION_CAVEAT
from mpi_collector.store.figures.fabric import RX_BYTES as FABRIC_RX
from mpi_collector.store.figures.network import RDMA_NOTE
from mpi_collector.store.figures.network import RX_BYTES as NETWORK_RX

_COVERAGE = 0.999  #: of the hosts' time; a lower one is noted
_NAMED = 3  #: hosts in a note
_WHOLE_INTERVAL = 0.99  #: rows lie beside their ticks by their lateness


def is_short(run: RunDocument, span_s: float) -> bool:
    """Return whether a run is shorter than one interval: a share of so short a time says nothing.

    Of a window, the intervals around it are known.
    """
    return "window_ns" not in run and span_s < run["interval_ns"] / 1e9 * _WHOLE_INTERVAL


def drop_shares(cluster: Cluster) -> None:
    """Take the figures in percent out of the figures of a run."""
    shares = [f.name for f in FIGURES if f.unit == "%"]
    for name in shares:
        cluster.totals.pop(name, None)
        for host in cluster.hosts:
            host.figures.pop(name, None)
            host.limits.pop(name, None)
            for device in host.devices:
                device.series.pop(name, None)


def notes(cluster: Cluster, run: RunDocument) -> list[str]:
    """Return what a reader must know to read the figures correctly."""
    short = is_short(run, cluster.span_s)
    missing = [
        f.label
        for f in FIGURES
        if f.name not in cluster.totals and not f.optional and not (short and f.unit == "%")
    ]
    out = [f"not recorded: {', '.join(missing)}"] if missing else []
    if short:
        lasted, every = (f"{s:.3g} s" for s in (cluster.span_s, run["interval_ns"] / 1e9))
        out.insert(0, f"the run took {lasted}, less than one interval of {every}: no percentages")
    for name in cluster.totals:
        without = [h.key for h in cluster.hosts if name not in h.figures]
        if without and not BY_NAME[name].optional:
            out.append(f"{BY_NAME[name].label}: not recorded on {_named(without)}")
    for hosts in cluster.shared:
        out.append(
            f"{_named(hosts)} run on one kernel: what it counts for the whole machine "
            "(disks, memory, CPUs) is in the totals once"
        )
    known = [t.coverage for n, t in cluster.totals.items() if not BY_NAME[n].undefined_when_idle]
    if known and min(known) < _COVERAGE:
        share = 100 * (1 - min(known))
        out.append(f"{share:.1f} % of the hosts' time is unknown and missing from the totals")
    if UTILISATION.name in cluster.totals:
        out.append(f"{UTILISATION.label} (%util): {UTILISATION_CAVEAT}")
    if NETWORK_RX.name in cluster.totals and FABRIC_RX.name not in cluster.totals:
        out.append(RDMA_NOTE)
    out.append(_peak_note(run))
    return out


def _named(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return ", ".join(hosts[:_NAMED]) + more


def _peak_note(run: RunDocument) -> str:
    level = max((f.get("level", 0) for f in run["facts"].values()), default=0)
    interval_s = run["interval_ns"] / 1e9 * 2**level
    decimated = f" (the array was full: every {ordinal(2**level)} tick was kept)" if level else ""
    return f"a peak is the highest mean over one interval of {interval_s:g} s{decimated}"
