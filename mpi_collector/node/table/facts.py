"""Facts of a node's table that the run document needs."""

from ..clock import Timeline
from ..row.layout import MISSING, STOP_TICK
from ..row.placement import level_of
from ..status import SKIPPED, STATUS_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .table import SampleTable


def marks_of(events: list) -> list:
    """The marks among ``events`` on the common time line: {"text", "edge", "utc_ns"}."""
    marks = [e for e in events if e["type"] == "mark"]
    utc_ns: "Any" = Timeline.from_events(events).utc_ns if marks else None
    return [{"text": m["text"], "edge": m["edge"], "utc_ns": utc_ns(m["mono_ns"])} for m in marks]


def facts_of(table: "SampleTable") -> dict:
    """What the run's summary needs to know of this node without its table."""
    grid = table.grid or {}
    ticks = [t for t in table.ticks if t != STOP_TICK]
    end = next((e for e in table.events if e["type"] == "end"), None)
    last = end["last_tick"] if end else (ticks[-1] if ticks else STOP_TICK)
    level = level_of(max(last, 0), grid["capacity"]) if grid.get("policy") == "decimate" else 0
    span = range(ticks[0], last + 1) if ticks and grid.get("policy") == "ring" else range(last + 1)
    due = (
        len([t for t in span if not t % (1 << level)])
        if len(span) < 1 << 16
        else (len(span) + (1 << level) - 1) >> level
    )
    if grid.get("policy") == "stop":
        due = min(due, len(ticks))
    late = sorted(x for x, t in zip(table.head("late_ns"), table.ticks) if t != STOP_TICK)
    begins = table.head("begin_mono_ns")
    cpu_column = table.layout.by_key[("collector", "")].column("", "cpu_ns")
    cpu = [v for v in table.column(cpu_column) if v != MISSING]
    cost = (cpu[-1] - cpu[0]) / max(begins[-1] - begins[0], 1) if len(cpu) > 1 else None
    statuses: dict = {}
    for i, source in enumerate(table.layout.sources):
        bad = [s for s in table.source_head(i, "status") if s and s != SKIPPED]
        if bad:
            statuses[source] = {STATUS_NAMES[s]: bad.count(s) for s in set(bad)}
    return {
        "samples": len(table),
        "ticks": len(ticks),
        "last_tick": last,
        "missed": max(due - len(ticks), 0),
        "level": level,
        "complete": end is not None,
        "late_p50_ns": late[len(late) // 2] if late else None,
        "late_p99_ns": late[min(len(late) - 1, len(late) * 99 // 100)] if late else None,
        "late_max_ns": late[-1] if late else None,
        "cpu_share": cost,
        "statuses": statuses,
        "lost": [e for e in table.events if e["type"] == "lost"],
        "marks": marks_of(table.events),
        "columns": table.layout.width,
    }
