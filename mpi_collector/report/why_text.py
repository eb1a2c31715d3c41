"""What limited a run, as text: the claims with what speaks for and against them."""

from __future__ import annotations

from datetime import datetime, timezone

from mpi_collector.report.text import TextWriter
from mpi_collector.why.contract import Claim, Evidence, WhyDocument

_EVIDENCE = 3  #: of a claim that are printed
_NAMED = 3  #: hosts in a line


def print_why(document: WhyDocument, out: TextWriter, top: int) -> None:
    """Print the limit of the run and then at most ``top`` claims of each phase."""
    limit = document["limited_by"]
    if limit is None:
        out.line("limited by: not known", "bold")
        _reasons(document, out)
        return
    _claim(limit, out, "limited by: ")
    for phase in dict.fromkeys(c["phase"] for c in document["claims"]):
        rest = [c for c in document["claims"] if c["phase"] == phase and c is not limit]
        for claim in rest[: max(top - 1, 0)]:
            _claim(claim, out, "also: " if phase == limit["phase"] else f"{out.name(phase)}: ")
    _reasons(document, out)


def headline(claim: Claim, out: TextWriter) -> str:
    """Return the claim in one line: cause, place, confidence, time and phase."""
    where = f"{claim['cause']} {claim['device']}" if claim["device"] else claim["cause"]
    times = f"{_clock(claim['begin_ns'])} to {_clock(claim['end_ns'])}"
    phase = f', phase "{out.name(claim["phase"])}"' if claim["phase"] else ""
    return f"{out.name(where)} on {out.name(claim['host'])} ({claim['confidence']}), {times}{phase}"


def _claim(claim: Claim, out: TextWriter, head: str) -> None:
    out.line(head + headline(claim, out), "bold" if head == "limited by: " else "")
    for name in ("for", "against"):
        found = claim["for"] if name == "for" else claim["against"]
        if found:
            out.line(f"  {name + ':':8} {'; '.join(_text(e, out) for e in found[:_EVIDENCE])}")


def _text(evidence: Evidence, out: TextWriter) -> str:
    return out.name(evidence["text"])


def _clock(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns / 1e9, timezone.utc).strftime("%H:%M:%S")


def _reasons(document: WhyDocument, out: TextWriter) -> None:
    """Print why nothing is claimed, hosts with the same reason together."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for entry in document["not_known"]:
        hosts.setdefault((entry["phase"], entry["reason"]), []).append(entry["host"])
    for (phase, reason), names in hosts.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        where = f" in {out.name(phase)!r}" if phase else ""
        listed = ", ".join(map(out.name, names[:_NAMED]))
        out.line(f"not known{where} on {listed}{more}: {out.name(reason)}")
