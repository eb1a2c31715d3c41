"""Phases as the page shows them: merged over hosts, in lanes where they overlap, one tone per kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mpi_collector.report.page.data import Mark

#: none of them is a host's colour; blue and ochre first, which the colour-blind can tell apart
TONES = ("#5b7fa6", "#c9a227", "#8b8680", "#9467bd", "#4d9078", "#b5651d")
_LANES = 4
_STRIP = 1000  #: more of them nobody could tell apart on a screen; the table has them all


@dataclass
class PhaseSpan:
    """A phase on the time line, ms; a moment when both ends are the same. ``lane``: 0 is the outermost."""

    text: str
    begin_ms: float
    end_ms: float
    lane: int
    tone: str


def kind(text: str) -> str:
    """ "epoch 3" and "epoch 4" are of one kind, and so are their blocks."""
    return re.sub(r"\d+", "#", text)


def phase_spans(marks: list[Mark]) -> list[PhaseSpan]:
    """The phases in order of time. What several hosts marked at about the same time under one name is one phase."""
    tones: dict[str, str] = {}
    ends: list[float] = []
    out: list[PhaseSpan] = []
    for begin, end, text in sorted(_merged(marks), key=lambda m: (m[0], -m[1])):
        tone = tones.setdefault(kind(text), TONES[len(tones) % len(TONES)])
        if end <= begin:
            out.append(PhaseSpan(text, begin, end, 0, tone))
            continue
        lane = next((n for n, last in enumerate(ends) if last <= begin), len(ends))
        ends[lane : lane + 1] = [end]
        out.append(PhaseSpan(text, begin, end, min(lane, _LANES - 1), tone))
    return out[:_STRIP]


def _merged(marks: list[Mark]) -> list[tuple[float, float, str]]:
    out: list[tuple[float, float, str]] = []
    latest: dict[str, int] = {}
    for m in sorted(marks, key=lambda m: m.begin_ms):
        at = latest.get(m.text)
        if at is not None and m.begin_ms < out[at][1]:
            out[at] = (out[at][0], max(out[at][1], m.end_ms), m.text)
        else:
            latest[m.text] = len(out)
            out.append((m.begin_ms, m.end_ms, m.text))
    return out
