"""What limited the run, on the page's first screen: claims that show their stretch and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from markupsafe import Markup

from mpi_collector.formats.why_document import Cause, Claim, Evidence, WhyDocument
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.templates import render
from mpi_collector.report.why_text import evidence_rows, headline, not_known_texts
from mpi_collector.store.figures import BY_NAME, cgroup, cpu, disk, lustre, memory, network, nfs
from mpi_collector.store.figures.pressure import BY_RESOURCE as PRESSURE
from mpi_collector.store.figures.scheduling import RUNNABLE
from mpi_collector.store.figures.tcp import RETRANSMITS
from mpi_collector.why.analysis import limit_of

_PHASES = 12  #: phases whose limit is listed beside that of the run
_REASONS = 3
_DISK = (disk.READ_BYTES, disk.WRITE_BYTES, disk.QUEUE_DEPTH, disk.READ_LATENCY, disk.WRITE_LATENCY)
_NETWORK = (network.RX_BYTES, network.TX_BYTES, RETRANSMITS)
_CPU = (cpu.BUSY, PRESSURE["cpu"], RUNNABLE)
#: the charts in which a claim is seen, besides those of its evidence
_SHOWN = {
    "device": (*_DISK, PRESSURE["io"]),
    "network": _NETWORK,
    "remote storage": (nfs.READ_BYTES, nfs.WRITE_BYTES, lustre.READ_BYTES, lustre.WRITE_BYTES),
    "cpu": _CPU,
    "one core": _CPU,
    "cgroup": (cgroup.THROTTLED, cgroup.CPU, *_DISK[:2]),
    "memory": (PRESSURE["memory"], memory.USED),
    "write-back": (memory.DIRTY, *_DISK),
    "steal": (cpu.STEAL, cpu.BUSY),
    "latency": _DISK,
    "another host": (cpu.BUSY, *_DISK[:2], *_NETWORK[:2]),
    "page cache": (memory.PAGE_CACHE, disk.READ_BYTES, nfs.READ_BYTES),
    "nothing on the hosts": (cpu.BUSY, disk.QUEUE_DEPTH, *_NETWORK[:2]),
}


class ShownClaim(TypedDict):
    """What the script shows of a claim: a window, ms, and the names of charts."""

    begin: float
    end: float
    charts: list[str]


def shown_claims(page: PageData) -> list[ShownClaim]:
    """Return the claims of ``limits`` for the script, in the order of their buttons."""
    return [
        {"begin": c["begin_ns"] / 1e6, "end": c["end_ns"] / 1e6, "charts": _charts(c)}
        for c in (_listed(page.why) if page.why is not None else ())
    ]


def limits(page: PageData) -> Markup:
    """Return what limited the run and each of its phases; nothing for a comparison."""
    why = page.why
    if why is None:
        return Markup()
    return render(
        "limits.html",
        unknown=why["limited_by"] is None,
        claims=[_claim(claim, why) for claim in _listed(why)],
        reasons=list(not_known_texts(why["not_known"], str))[:_REASONS],
    )


def _listed(why: WhyDocument) -> Iterator[Claim]:
    """Yield the limit of the run, those of the other phases, and the warnings."""
    limit = why["limited_by"]
    if limit is not None:
        yield limit
    phases = list(dict.fromkeys(c["phase"] for c in why["claims"]))
    found = [c for name in phases if (c := limit_of(why, name)) is not None and c is not limit]
    yield from found[:_PHASES]
    yield from [c for c in why["claims"] if c["cause"] == "page cache"][:_PHASES]


def _claim(claim: Claim, why: WhyDocument) -> dict[str, object]:
    """Return what the template shows of a claim."""
    is_limit = claim is why["limited_by"]
    word = "warning" if claim["cause"] == "page cache" else "limited by"
    text = f"{'' if is_limit else claim['phase'] + ' '}{word}: {headline(claim, str)}"
    return {"is_limit": is_limit, "text": text, "rows": evidence_rows(claim) if is_limit else []}


def _charts(claim: Claim) -> list[str]:
    """Return the names of the figures in which a claim is seen, those of its evidence first."""
    evidence: list[Evidence] = [*claim["for"], *claim["against"]]
    cause: Cause = claim["cause"]
    names = [e["figure"] for e in evidence if e["figure"] in BY_NAME]
    return list(dict.fromkeys([*names, *(f.name for f in _SHOWN[cause])]))
