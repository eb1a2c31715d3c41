"""Facts of a host: what the run document needs to know of a recording without its table."""

from ..clock import Timeline
from ..row.layout import MISSING, STOP_TICK
from ..row.placement import level_of
from ..status import SKIPPED, STATUS_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict

    from .table import Event, SampleTable
else:
    TypedDict = dict  # Python 3.6 has none; at run time the documents are plain dicts

ABORTED = "aborted"  #: type of the event of a recording that ends although nobody has stopped it


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
    late_p50_ns: "int | None"  #: begin of a row minus its deadline
    late_p99_ns: "int | None"
    late_max_ns: "int | None"
    cpu_share: "float | None"  #: CPU time of the recorder / elapsed time
    statuses: "dict[str, dict[str, int]]"  #: source -> status -> rows; without "ok" and "skipped"
    lost: "list[dict[str, Any]]"  #: events: devices for which a table had no slot left
    marks: "list[HostMark]"
    columns: int


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


def was_stopped(events: "list[Event]") -> bool:
    """Return whether the run stopped the recording: it did not break off, and was not given up."""
    types = {e["type"] for e in events}
    return "end" in types and ABORTED not in types


def facts_of(table: "SampleTable") -> "HostFacts":
    """Return the facts of the host whose recording is ``table``."""
    grid = table.grid or {}
    ticks = [t for t in table.ticks if t != STOP_TICK]
    end = next((e for e in table.events if e["type"] == "end"), None)
    last = end["last_tick"] if end else (ticks[-1] if ticks else STOP_TICK)
    level = level_of(max(last, 0), grid["capacity"]) if grid.get("policy") == "decimate" else 0
    late = sorted(x for x, t in zip(table.head("late_ns"), table.ticks) if t != STOP_TICK)
    return {
        "samples": len(table),
        "ticks": len(ticks),
        "last_tick": last,
        "missed": max(_due(str(grid.get("policy")), ticks, last, level) - len(ticks), 0),
        "level": level,
        "complete": was_stopped(table.events),
        "late_p50_ns": late[len(late) // 2] if late else None,
        "late_p99_ns": late[min(len(late) - 1, len(late) * 99 // 100)] if late else None,
        "late_max_ns": late[-1] if late else None,
        "cpu_share": _cpu_share(table),
        "statuses": _bad_statuses(table),
        "lost": [e for e in table.events if e["type"] == "lost"],
        "marks": marks_of(table.events),
        "columns": table.layout.width,
    }


_COUNTED_MAX = 1 << 16  #: spans of more ticks are computed, not counted: a damaged log may say any


def _due(policy: str, ticks: "list[int]", last: int, level: int) -> int:
    """Return how many ticks up to ``last`` should have a row."""
    span = range(ticks[0], last + 1) if ticks and policy == "ring" else range(last + 1)
    if len(span) < _COUNTED_MAX:
        due = len([t for t in span if not t % (1 << level)])
    else:
        due = (len(span) + (1 << level) - 1) >> level
    return min(due, len(ticks)) if policy == "stop" else due


def _cpu_share(table: "SampleTable") -> "float | None":
    """Return CPU time of the recorder / elapsed time; None with fewer than two values."""
    column = table.layout.by_key[("collector", "")].column("", "cpu_ns")
    cpu = [v for v in table.column(column) if v != MISSING]
    begins = table.head("begin_mono_ns")
    if len(cpu) < 2:
        return None
    return (cpu[-1] - cpu[0]) / max(begins[-1] - begins[0], 1)


def _bad_statuses(table: "SampleTable") -> "dict[str, dict[str, int]]":
    """Return source -> name of a status -> number of rows, without "ok" and "skipped"."""
    out: "dict[str, dict[str, int]]" = {}
    for i, source in enumerate(table.layout.sources):
        bad = [s for s in table.source_head(i, "status") if s and s != SKIPPED]
        if bad:
            out[source] = {STATUS_NAMES[s]: bad.count(s) for s in set(bad)}
    return out
