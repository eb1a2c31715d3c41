"""Phases: the marks of a run as stretches of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpi_collector.formats.run_document import Mark


@dataclass(frozen=True)
class Phase:
    """A stretch of time, or a moment when both ends are the same.

    ``begin_ns``, ``end_ns``: UTC ns on the time line of the recording. ``host``: where it was set.
    """

    name: str
    begin_ns: int
    end_ns: int
    host: str | None = None

    @property
    def moment(self) -> bool:
        """Whether it is a moment, without a length."""
        return self.begin_ns == self.end_ns


def phases_of(marks: Iterable[Mark], end_ns: int) -> list[Phase]:
    """Return the phases of the marks of a run document, in order of time.

    A begin goes with the next end of the same name on the same host; nested ones of one name are
    matched from the inside out. A begin without an end lasts until ``end_ns``, an end without a
    begin is a moment. A phase of several hosts is kept for each.
    """
    out: list[Phase] = []
    begun: dict[tuple[str, str | None], list[int]] = {}
    for mark in sorted(marks, key=lambda m: m["utc_ns"]):
        name = mark["text"]
        at = mark["utc_ns"]
        host = mark.get("host")
        waiting = begun.setdefault((name, host), [])
        if mark["edge"] == "begin":
            waiting.append(at)
        elif mark["edge"] == "end" and waiting:
            out.append(Phase(name, waiting.pop(), at, host))
        else:
            out.append(Phase(name, at, at, host))
    for (name, host), starts in begun.items():
        out += [Phase(name, at, max(at, end_ns), host) for at in starts]
    return sorted(out, key=lambda p: (p.begin_ns, p.end_ns))
