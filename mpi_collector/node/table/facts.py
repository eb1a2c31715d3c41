"""Facts of a host: what the run document needs to know of a recording without its table."""

from ..clock import Timeline
from ..row.layout import MISSING, STOP_TICK
from ..row.placement import level_of
from ..status import SKIPPED, STATUS_NAMES
from .presence import devices_in_part
from .read_sources import (
    late_sources,
    missing_sources,
    slowed_sources,
    source_rows,
    statuses_since_there,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict

    from .presence import AbsentDevice, UnknownCells
    from .read_sources import MissingSource, SourceRows
    from .table import Event, SampleTable
else:
    TypedDict = dict  # Python 3.6 has none; at run time the documents are plain dicts

#: type of the event of a recording that ends although nobody has stopped it; ``why`` says why
ABORTED = "aborted"
LAUNCHER_LOST = "launcher lost"  #: why: nobody is left who could stop it
LEFT = "its launcher, without a stop"  #: why: it was given up
STOPPED = "stop"  #: the run stopped it, or its duration was over
BROKEN_OFF = "broken off"  #: killed, or its sampling failed: there is no last row


class HostMark(TypedDict):
    """A moment that was marked on a host, or one end of a phase."""

    text: str
    edge: "Literal['point', 'begin', 'end']"
    utc_ns: int  #: on the common time line


class HostFacts(TypedDict):
    """Facts of one host."""

    samples: int  #: rows, the one of the stop included
    ticks: int  #: rows on the grid
    last_tick: int  #: -1: none
    missed: int  #: ticks that were due and have no row
    level: int  #: of decimation: only ticks divisible by 2^level are kept
    complete: bool  #: the run stopped the recording: it neither broke off nor was given up
    ended_by: str  #: STOPPED, BROKEN_OFF, or why it was aborted
    late_p50_ns: "int | None"  #: begin of a row minus its deadline
    late_p99_ns: "int | None"
    late_max_ns: "int | None"
    cpu_share: "float | None"  #: cpu_ns / elapsed time; None below 10 s
    statuses: "dict[str, dict[str, int]]"  #: source -> status -> rows; without "ok" and "skipped"
    lost: "list[dict[str, Any]]"  #: events: devices for which a table had no slot left
    marks: "list[HostMark]"
    marks_lost: int  #: marks for which there was no room
    events_lost: int  #: devices that came and clock measurements for which there was none
    columns: int
    # earlier versions do not have these
    #: CPU time from the first row to the last, of the recorder's process and its helpers
    cpu_ns: "int | None"
    helpers_cpu_ns: "int | None"  #: that of the helpers (host/helpers.py); None: not known
    source_rows: "dict[str, SourceRows]"  #: of sources that were not read well in all rows
    missing_sources: "list[MissingSource]"  #: not read at the start
    late_sources: "dict[str, int]"  #: UTC ns of the first row of those that came later
    slowed: "dict[str, int]"  #: throttled source -> at every so many ticks it was read, at worst
    absent_devices: "list[AbsentDevice]"
    unknown_cells: "list[UnknownCells]"


def marks_of(events: "list[Event]") -> "list[HostMark]":
    """Return the marks among ``events``, placed on the common time line."""
    marks = [e for e in events if e["type"] == "mark"]
    if not marks:
        return []
    timeline = Timeline.from_events(events)
    return [
        {"text": m["text"], "edge": m["edge"], "utc_ns": timeline.utc_ns(m["mono_ns"])}
        for m in marks
    ]


def _dropped(table: "SampleTable", what: str) -> int:
    """Return for how many marks or other events there was no room."""
    return sum(e[what] for e in table.events if e["type"] == "dropped")


def was_stopped(events: "list[Event]") -> bool:
    """Return whether the recorder ended because the run did."""
    types = {e["type"] for e in events}
    return "end" in types and ABORTED not in types


def _ended_by(table: "SampleTable") -> str:
    aborted = next((e for e in table.events if e["type"] == ABORTED), None)
    if aborted is not None:
        return str(aborted.get("why") or LEFT)
    # a sampling thread that failed has noted its end, too, but has no last row
    whole = was_stopped(table.events) and STOP_TICK in table.ticks[-1:]
    return STOPPED if whole else BROKEN_OFF


def facts_of(table: "SampleTable") -> "HostFacts":
    """Return the facts of the host whose recording is ``table``."""
    grid = table.grid or {}
    ticks = [t for t in table.ticks if t != STOP_TICK]
    end = next((e for e in table.events if e["type"] == "end"), None)
    last = end["last_tick"] if end else (ticks[-1] if ticks else STOP_TICK)
    level = level_of(max(last, 0), grid["capacity"]) if grid.get("policy") == "decimate" else 0
    ended_by = _ended_by(table)
    absent, unknown = devices_in_part(table)
    late = sorted(x for x, t in zip(table.head("late_ns"), table.ticks) if t != STOP_TICK)
    return {
        "samples": len(table),
        "ticks": len(ticks),
        "last_tick": last,
        "missed": _missed(table, ticks, last, level),
        "level": level,
        "complete": ended_by == STOPPED,
        "ended_by": ended_by,
        "late_p50_ns": late[len(late) // 2] if late else None,
        "late_p99_ns": late[min(len(late) - 1, len(late) * 99 // 100)] if late else None,
        "late_max_ns": late[-1] if late else None,
        "cpu_share": _cpu_share(table),
        "cpu_ns": _cpu_ns(table),
        "helpers_cpu_ns": _helpers_cpu_ns(table),
        "statuses": _bad_statuses(table),
        "lost": [e for e in table.events if e["type"] == "lost"],
        "marks": marks_of(table.events),
        "marks_lost": _dropped(table, "marks"),
        "events_lost": _dropped(table, "events"),
        "columns": table.layout.width,
        "source_rows": source_rows(table),
        "missing_sources": missing_sources(table),
        "late_sources": late_sources(table),
        "slowed": slowed_sources(table),
        "absent_devices": absent,
        "unknown_cells": unknown,
    }


_SHARE_FROM_NS = 10 * 10**9  #: elapsed time below which a share of it says nothing
_COUNTED_MAX = 1 << 16  #: spans of more ticks are computed, not counted: a damaged log may say any


def _missed(table: "SampleTable", ticks: "list[int]", last: int, level: int) -> int:
    """Return how many ticks have no row that should have one.

    Ticks are due up to the row of the stop, also where the recorder stood still until then.
    """
    grid = table.grid or {}
    policy = str(grid.get("policy"))
    full = policy == "stop" and len(ticks) >= grid["capacity"]
    if full:  # no row was kept after these
        last = ticks[-1]
    ring_full = policy == "ring" and len(ticks) >= grid["capacity"]
    first = ticks[0] if ring_full else 0
    missed = _multiples(first, last + 1, level) - len(ticks)
    if table.grid is not None and not full:
        until = _due_until(table)
        if policy == "decimate":
            level = level_of(max(until - 1, 0), grid["capacity"])
        missed += _multiples(last + 1, until, level)
    return max(missed, 0)


def _due_until(table: "SampleTable") -> int:
    """Return the tick that was due next when the row of the stop was taken; 0 without that row.

    A tick is missed once the next one is due: the last one before the stop is not.
    """
    if STOP_TICK not in table.ticks[-1:] or table.grid is None:
        return 0
    interval_ns = table.grid["interval_ns"]
    stop_ns = Timeline.from_events(table.events).root_ns(table.head("begin_mono_ns")[-1])
    due = (stop_ns - table.grid["t0_ns"]) // interval_ns
    duration_s = (table.meta.get("options") or {}).get("duration_s")
    if duration_s is not None:
        due = min(due, -int(-duration_s * 1e9 // interval_ns))
    return int(max(due, 0))


def _multiples(first: int, end: int, level: int) -> int:
    """Return how many of the ticks from ``first`` to below ``end`` are divisible by 2^level."""
    span = range(first, end)
    if len(span) < _COUNTED_MAX:
        return len([t for t in span if not t % (1 << level)])
    return (len(span) + (1 << level) - 1) >> level


def _cpu_share(table: "SampleTable") -> "float | None":
    """Return own CPU time / elapsed time; None where that says nothing."""
    cpu_ns = _cpu_ns(table)
    begins = table.head("begin_mono_ns")
    if cpu_ns is None or begins[-1] - begins[0] < _SHARE_FROM_NS:
        return None
    return cpu_ns / (begins[-1] - begins[0])


def _cpu_ns(table: "SampleTable") -> "int | None":
    """Return own CPU time between the rows; None with fewer than two values."""
    column = table.layout.by_key[("collector", "")].column("", "cpu_ns")
    cpu = [v for v in table.column(column) if v != MISSING]
    return cpu[-1] - cpu[0] + (_helpers_cpu_ns(table) or 0) if len(cpu) > 1 else None


def _helpers_cpu_ns(table: "SampleTable") -> "int | None":
    return next((e["cpu_ns"] for e in table.events if e["type"] == "helpers"), None)


def _bad_statuses(table: "SampleTable") -> "dict[str, dict[str, int]]":
    """Return source -> name of a status -> number of rows, without "ok" and "skipped"."""
    out: "dict[str, dict[str, int]]" = {}
    for source, status in statuses_since_there(table).items():
        bad = [s for s in status if s and s != SKIPPED]
        if bad:
            out[source] = {STATUS_NAMES[s]: bad.count(s) for s in set(bad)}
    return out
