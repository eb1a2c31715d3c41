"""Phases: the marks of a run as stretches of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpi_collector.formats.run_document import Mark


@dataclass(frozen=True)
class Phase:
    """A stretch of time, or a moment when both ends are the same.

    ``begin_ns``, ``end_ns``: UTC ns on the time line of the recording. ``host``: where it was set.
    ``read_bytes``: what its program says that it read, None where it says nothing.
    """

    name: str
    begin_ns: int
    end_ns: int
    host: str | None = None
    read_bytes: int | None = None

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
    begun: dict[tuple[str, str | None], list[Mark]] = {}
    for mark in sorted(marks, key=lambda m: m["utc_ns"]):
        name = mark["text"]
        at = mark["utc_ns"]
        host = mark.get("host")
        waiting = begun.setdefault((name, host), [])
        if mark["edge"] == "begin":
            waiting.append(mark)
        elif mark["edge"] == "end" and waiting:
            first = waiting.pop()
            out.append(Phase(name, first["utc_ns"], at, host, first.get("read_bytes")))
        else:
            out.append(Phase(name, at, at, host))
    for (name, host), starts in begun.items():
        out += [Phase(name, m["utc_ns"], max(m["utc_ns"], end_ns), host) for m in starts]
    return sorted(out, key=lambda p: (p.begin_ns, p.end_ns))


class PhaseLabels:
    """The names of the phases that cover a moment, on any host."""

    def __init__(self, phases: Iterable[Phase]) -> None:
        edges: dict[int, list[tuple[int, str]]] = {}
        for phase in phases:
            if not phase.moment:
                edges.setdefault(phase.begin_ns, []).append((1, phase.name))
                edges.setdefault(phase.end_ns, []).append((-1, phase.name))
        self._from_ns = np.array(sorted(edges), dtype=np.int64)
        self._labels = [""]  #: before the first edge, then from each edge on
        open_ones: dict[str, int] = {}
        for at in self._from_ns.tolist():
            for change, name in sorted(edges[at], key=lambda edge: edge[0]):
                open_ones[name] = open_ones.get(name, 0) + change
                if not open_ones[name]:
                    del open_ones[name]
            self._labels.append("; ".join(open_ones))

    def at(self, times_ns: npt.NDArray[np.int64]) -> list[str]:
        """Return for each time the names, the phase that began first first; "" for none.

        A phase covers its begin, and not its end. Several names are joined by "; ".
        """
        found = np.searchsorted(self._from_ns, times_ns, side="right")
        return [self._labels[i] for i in found.tolist()]
