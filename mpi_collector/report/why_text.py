"""What limited a run, as text: the claims with what speaks for and against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from mpi_collector.formats.why_document import Claim, Evidence, NotKnown, WhyDocument
from mpi_collector.report.text import TextWriter

_EVIDENCE = 3  #: of a claim that are printed
_NAMED = 3  #: hosts in a line
#: where a cause is, other than "CAUSE on HOST" and "CAUSE DEVICE on HOST"
_PLACE = {
    "nothing on the hosts": "nothing on the hosts, as far as {host} was recorded",
    "another host": "another host, which {host} is waiting for",
    "cgroup": "cgroup limit on {host}",
}
_PLACE_OF_DEVICE = {
    "latency": "latency of {device} on {host}",
    "write-back": "write-back to {device} on {host}",
    "cgroup": "cgroup limit for {device} on {host}",
}


def print_why(document: WhyDocument, out: TextWriter, top: int) -> None:
    """Print the limit of the run and then at most ``top`` claims of each phase."""
    limit = document["limited_by"]
    print_limit(limit, out)
    for phase in dict.fromkeys(c["phase"] for c in document["claims"]):
        found = [c for c in document["claims"] if c["phase"] == phase and c is not limit]
        own = limit is not None and phase == limit["phase"]
        for claim in found[: max(top - own, 0)]:
            _claim(claim, out, "also: " if own else f"{out.name(phase)}: ")
    print_not_known(document["not_known"], out)


def print_limit(limit: Claim | None, out: TextWriter) -> None:
    """Print what limited the run, with what speaks for and against it."""
    if limit is None:
        out.line("limited by: not known", "bold")
    else:
        _claim(limit, out, "limited by: ")


def headline(claim: Claim, name: Callable[[object], str]) -> str:
    """Return the claim in one line: cause, place, confidence, time and phase."""
    host, device = name(claim["host"]), name(claim["device"] or "")
    usual = "{cause} {device} on {host}" if device else "{cause} on {host}"
    place = (_PLACE_OF_DEVICE if device else _PLACE).get(claim["cause"], usual)
    where = place.format(cause=claim["cause"], device=device, host=host)
    times = f"{_clock(claim['begin_ns'])} to {_clock(claim['end_ns'])}"
    phase = f', phase "{name(claim["phase"])}"' if claim["phase"] else ""
    return f"{where} ({claim['confidence']}), {times}{phase}"


def _claim(claim: Claim, out: TextWriter, head: str) -> None:
    out.line(head + headline(claim, out.name), "bold" if head == "limited by: " else "")
    is_limit = head == "limited by: "
    for name, found in evidence_rows(claim):
        shown = "; " if name != "others" else ", "
        text = shown.join(_text(e, out) for e in (found if name == "others" else found[:_EVIDENCE]))
        if text or (is_limit and name == "against"):
            out.line(f"  {name + ':':8} {text or 'nothing'}")


def evidence_rows(claim: Claim) -> list[tuple[str, list[Evidence]]]:
    """Return what speaks for and against a claim, and the other resources, with their headings."""
    return [("for", claim["for"]), ("against", claim["against"]), ("others", claim["others"])]


def _text(evidence: Evidence, out: TextWriter) -> str:
    return out.name(evidence["text"])


def _clock(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns / 1e9, timezone.utc).strftime("%H:%M:%S")


def print_not_known(entries: Sequence[NotKnown], out: TextWriter, most: int | None = None) -> None:
    """Print why nothing is claimed, in ``most`` lines."""
    texts = not_known_texts(entries, out.name)
    for text in texts[:most]:
        out.line(text)
    if most is not None and len(texts) > most:
        out.line(f"and {len(texts) - most} more reasons (mpi_collector why lists them)")


def not_known_texts(entries: Sequence[NotKnown], name: Callable[[object], str]) -> list[str]:
    """Return why nothing is claimed, hosts with the same reason together; ``name``: makes safe."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        hosts.setdefault((entry["phase"], entry["reason"]), []).append(entry["host"])
    out = []
    for (phase, reason), names in hosts.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        where = f" in {name(phase)!r}" if phase else ""
        listed = ", ".join(map(name, names[:_NAMED]))
        out.append(f"not known{where} on {listed}{more}: {name(reason)}")
    return out
