"""Memory that runs short: reclaim, swap, faults, from vmstat (mm/vmstat.c)."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.figure import DRAWN, NO_OUTLIERS, Chart, Figure, Group, NoChart

RECLAIM = Subject(order=140, group=Group.KERNEL, optional=True)


def _pages(name: str, label: str, doc: str, chart: Chart | NoChart = DRAWN) -> Figure:
    return RECLAIM.figure(
        f"{name}_pages_per_s",
        label,
        "1/s",
        "sum",
        doc,
        hidden_when_zero=True,
        outlier_floor=1000.0,
        chart=chart,
    )


DIRECT = _pages(
    "direct_reclaim",
    "direct reclaim, pages",
    "pages scanned by tasks that had to reclaim memory themselves before they could go on",
)
KSWAPD = _pages(
    "kswapd_reclaim",
    "background reclaim, pages",
    "pages scanned by kswapd in the background",
    NoChart("direct reclaim is drawn, which tasks wait for"),
)
SWAP_IN = _pages("swap_in", "swapped in, pages", "pages read from swap")
SWAP_OUT = _pages("swap_out", "swapped out, pages", "pages written to swap")
REFAULTS = _pages(
    "refault",
    "refaults, pages",
    "pages of files that were read again soon after they had been evicted: the page cache is too "
    "small for what is read",
)
STALLS = RECLAIM.figure(
    "allocation_stalls_per_s",
    "allocation stalls",
    "1/s",
    "sum",
    "times that a task had to reclaim memory itself",
    chart=NoChart("direct reclaim is drawn"),
    hidden_when_zero=True,
)
MAJOR_FAULTS = RECLAIM.figure(
    "major_faults_per_s",
    "major faults",
    "1/s",
    "sum",
    "page faults that needed I/O: of files that are mapped, and of swap",
    hidden_when_zero=True,
    outlier_floor=100.0,
)
OOM_KILLS = RECLAIM.figure(
    "oom_kills_per_s",
    "OOM kills of the host",
    "1/s",
    "sum",
    "processes that the OOM killer ended",
    chart=NoChart("one is the end of a job"),
    hidden_when_zero=True,
    outlier_floor=NO_OUTLIERS,
)
#: keys of which the first that a kernel has counts, or all that begin with NAME_ of a zone
_KEYS = {
    DIRECT.name: ("pgscan_direct",),
    KSWAPD.name: ("pgscan_kswapd",),
    SWAP_IN.name: ("pswpin",),
    SWAP_OUT.name: ("pswpout",),
    REFAULTS.name: ("workingset_refault_file", "workingset_refault"),
    STALLS.name: ("allocstall",),
    MAJOR_FAULTS.name: ("pgmajfault",),
    OOM_KILLS.name: ("oom_kill",),
}
_ZONES = ("dma", "dma32", "normal", "high", "movable", "device")


@RECLAIM.computed_by
def derive_reclaim(host: Deriver) -> None:
    """Add the rates; kernels before 4.8 count per zone what newer ones count once."""
    for figure in RECLAIM.figures:
        for key in _KEYS[figure.name]:
            names = [f"vmstat.{key}"]
            if names[0] not in host.columns:
                names = [f"vmstat.{key}_{zone}" for zone in _ZONES]
            growths = [host.growth(name) for name in names if name in host.columns]
            if growths:
                host.add_rate(figure, known_sum(growths))
                break
