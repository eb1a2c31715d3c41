"""The facts of one host's recording, as its node reports them (``node/table/facts.py``)."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class HostMark(TypedDict):
    """A moment that was marked on a host, or one end of a phase."""

    text: str
    edge: Literal["point", "begin", "end"]
    utc_ns: int  #: on the time line of the recording


class HostFacts(TypedDict):
    """What the run document needs to know of a host without its table."""

    samples: int  #: rows, the one of the stop included
    ticks: int  #: rows on the grid
    last_tick: int  #: -1: none
    missed: int  #: ticks that were due and have no row
    level: int  #: of decimation: only ticks divisible by 2^level are kept
    complete: bool  #: the recording was stopped, it did not break off
    late_p50_ns: int | None  #: begin of a row minus its deadline
    late_p99_ns: int | None
    late_max_ns: int | None
    cpu_share: float | None  #: CPU time of the recorder / elapsed time
    statuses: dict[str, dict[str, int]]  #: source -> status -> rows, those that were ok left out
    lost: list[dict[str, Any]]  #: events: devices for which a table had no slot left
    marks: list[HostMark]
    columns: int
