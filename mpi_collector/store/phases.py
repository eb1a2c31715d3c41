"""Phases: what marks say about a run, as stretches of time.

A mark is ``{"text", "edge": "point" | "begin" | "end", "utc_ns", "host"}`` of the run document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Phase:
    """``begin_ns``, ``end_ns``: UTC ns on the time line of the recording, the same for a moment. ``host``: who said so."""

    name: str
    begin_ns: int
    end_ns: int
    host: str | None = None

    @property
    def moment(self) -> bool:
        return self.begin_ns == self.end_ns


def phases_of(marks: Iterable[Any], end_ns: int) -> list[Phase]:
    """In order of time. A begin goes with the next end of its name on its host; one without lasts until ``end_ns``.

    An end without a begin is a moment; what is no mark is passed over. The same phase from several hosts is kept once
    for each.
    """
    out: list[Phase] = []
    begun: dict[tuple[str, str | None], list[int]] = {}
    for mark in sorted(filter(_is_mark, marks), key=lambda m: int(m["utc_ns"])):
        name, at, host = mark["text"], mark["utc_ns"], mark.get("host")
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


def _is_mark(mark: Any) -> bool:
    return (isinstance(mark, Mapping) and isinstance(mark.get("text"), str) and isinstance(mark.get("utc_ns"), int)
            and mark.get("edge") in ("point", "begin", "end"))  # fmt: skip
