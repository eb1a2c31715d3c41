"""Phases as the page shows them: merged over hosts, in lanes if they overlap, a tone per kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mpi_collector.report.page.data import PagePhase

#: none of them is a host's colour; blue and ochre first, which the colour-blind can tell apart
TONES = ("#5b7fa6", "#c9a227", "#8b8680", "#9467bd", "#4d9078", "#b5651d")
_LANES = 4
_MAX_SPANS = 1000  #: more could not be told apart on a screen; the table lists all phases


@dataclass
class PhaseSpan:
    """A phase, ms since the epoch; a moment when both ends are the same. ``lane``: 0 is the top."""

    text: str
    begin_ms: float
    end_ms: float
    lane: int
    tone: str


def kind(text: str) -> str:
    """Return the name without its numbers: "epoch 3" and "epoch 4" are of one kind."""
    return re.sub(r"\d+", "#", text)


def phase_spans(phases: Sequence[PagePhase]) -> list[PhaseSpan]:
    """Return the phases in order of time.

    Phases of the same name that overlap, as several hosts mark them, are one.
    """
    tones: dict[str, str] = {}
    ends: list[float] = []
    out: list[PhaseSpan] = []
    for phase in sorted(_merged(phases), key=lambda p: (p.begin_ms, -p.end_ms)):
        tone = tones.setdefault(kind(phase.text), TONES[len(tones) % len(TONES)])
        lane = 0
        if phase.end_ms > phase.begin_ms:
            free = (n for n, last in enumerate(ends) if last <= phase.begin_ms)
            lane = next(free, len(ends))
            ends[lane : lane + 1] = [phase.end_ms]
        out.append(PhaseSpan(phase.text, phase.begin_ms, phase.end_ms, min(lane, _LANES - 1), tone))
    return out[:_MAX_SPANS]


def _merged(phases: Sequence[PagePhase]) -> list[PagePhase]:
    """Return phases of which none overlaps another of the same text."""
    out: list[PagePhase] = []
    latest: dict[str, PagePhase] = {}
    for p in sorted(phases, key=lambda p: p.begin_ms):
        before = latest.get(p.text)
        if before is not None and p.begin_ms < before.end_ms:
            before.end_ms = max(before.end_ms, p.end_ms)
        else:
            latest[p.text] = PagePhase(p.text, p.host, p.begin_ms, p.end_ms)
            out.append(latest[p.text])
    return out
