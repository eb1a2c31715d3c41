"""The files that readers of benchmark programs get, and the phases that they return."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

MS = 10**6  #: ns
S = 10**9
MIB = 2**20
_QUARTER_S = 900
_FARTHEST_S = 14 * 3600  #: greatest distance of a zone from UTC


def bandwidth_of(direction: str) -> str:
    """Return the name of the figure for the bandwidth of ``read`` or ``write``."""
    return f"{direction}_bytes_per_s"


@dataclass(frozen=True)
class ReportFile:
    """A file. ``written_s``: when it was last changed, seconds since the epoch."""

    name: str
    text: str
    written_s: float


@dataclass(frozen=True)
class ReportedPhase:
    """A phase of a benchmark program, UTC ns by its host's wall clock.

    ``rates``: what the program reports; keys are names of figures (``read_bytes_per_s``), or the
    program's own words for what no host counts, per second. ``read_bytes``: what it read in all,
    None where it does not say.
    """

    name: str
    begin_ns: int
    end_ns: int
    rates: dict[str, float] = field(default_factory=dict)
    read_bytes: int | None = None


def local_ns(time: datetime, last: datetime, written_s: float) -> int:
    """Return UTC ns of a local time without a zone.

    ``last``: the last time in the file, which was written soon after it: the zone is the one, in
    quarters of an hour, in which this is so. Where that is no zone on Earth it is the zone of this
    process. A file that was copied hours later without its time is taken for one of another zone.
    """
    ahead_s = last.replace(tzinfo=timezone.utc).timestamp() - written_s
    offset_s = round(ahead_s / _QUARTER_S) * _QUARTER_S
    if abs(offset_s) > _FARTHEST_S:
        return round(time.timestamp() * 1000) * MS
    return round((time.replace(tzinfo=timezone.utc).timestamp() - offset_s) * 1000) * MS
