"""Forms of the documents in a recording: the run document, and ``meta`` of a host.

What the keys of the run document mean: ``run_document.RunDocument``. Keys that files of older
versions or of other programs may lack are optional, and keys that are not listed are allowed: a
later version may write more. Texts have lengths because a recording may come from anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpi_collector.node.documents import LAYOUT
from mpi_collector.node.forms import (
    COUNT,
    INT64_MAX,
    MOMENT,
    NAME,
    NAME_BYTES,
    REASON,
    Anything,
    Flag,
    Form,
    Items,
    Maybe,
    OneOf,
    Real,
    Record,
    Table,
    Text,
    Whole,
)
from mpi_collector.node.host.snapshot.form import SNAPSHOT, TOPOLOGY

if TYPE_CHECKING:
    from mpi_collector.node.forms import Place

_MANY = 1 << 20
_KEY = Text(NAME_BYTES, bool)  #: of a host
_LONG = Text(1 << 18)  #: a word of COMMAND, a value of the environment, an error with its reasons
_FURTHER = Anything(depth=64, most=1 << 24)

_MARK: dict[str, Form] = {"text": REASON, "edge": OneOf("point", "begin", "end"), "utc_ns": MOMENT}
FACTS = Record(
    {
        "samples": COUNT,
        "ticks": COUNT,
        "last_tick": Whole(-1, 1 << 48),
        "missed": COUNT,
        "complete": Flag(),
        "statuses": Table(Table(COUNT, _MANY, NAME), _MANY, NAME),
        "lost": Items(Record({"what": NAME, "name": NAME, "source": NAME}, {}, _FURTHER), _MANY),
        "columns": Whole(0, 1 << 24),
    },
    {
        "ended_by": NAME,
        "level": Whole(0, 62),
        "late_p50_ns": Maybe(Whole()),
        "late_p99_ns": Maybe(Whole()),
        "late_max_ns": Maybe(Whole()),
        "cpu_share": Maybe(Real()),
        "marks_lost": COUNT,
        "events_lost": COUNT,
        "marks": Items(Record(_MARK, {}, _FURTHER), _MANY),
        "cpu_ns": Maybe(Whole()),
        "helpers_cpu_ns": Maybe(Whole()),
        "source_rows": Table(
            Record({"due": COUNT, "bad": COUNT, "at_stop": Flag()}, {}, _FURTHER), _MANY, NAME
        ),
        "missing_sources": Items(
            Record(
                {"source": NAME, "status": NAME, "reason": _LONG, "named": Flag()}, {}, _FURTHER
            ),
            _MANY,
        ),
        "late_sources": Table(MOMENT, _MANY, NAME),
        "slowed": Table(COUNT, _MANY, NAME),
        "absent_devices": Items(
            Record(
                {
                    "source": NAME,
                    "kind": NAME,
                    "device": NAME,
                    "counted": Flag(),
                    "absent": Items(Items(Maybe(MOMENT), 2, least=2), _MANY),
                },
                {},
                _FURTHER,
            ),
            _MANY,
        ),
        "unknown_cells": Items(
            Record(
                {
                    "source": NAME,
                    "device": NAME,
                    "counted": Flag(),
                    "fields": Items(NAME, _MANY),
                    "rows": COUNT,
                    "due": COUNT,
                },
                {},
                _FURTHER,
            ),
            _MANY,
        ),
    },
    _FURTHER,
)
VERDICT = Record(
    {
        "verdict": OneOf("complete", "partial", "invalid"),
        "reasons": Items(_LONG, _MANY),
        "hosts": COUNT,
        "hosts_requested": COUNT,
        "ticks": COUNT,
        "missed": COUNT,
        "late_p99_ns": Maybe(Whole()),
        "clock_bound_ns": Maybe(Whole()),
        "cpu_share_max": Maybe(Real()),
    },
    {
        "crash_proof": Flag(),
        "lateness": Maybe(OneOf("good", "bad")),
        "cpu_ns_max": Maybe(Whole()),
        "cpu_counts": OneOf("all", "recorders"),
        "launch_side_cpu_ns": Maybe(Whole()),
    },
    _FURTHER,
)
RUN = Record(
    {
        "hosts": Items(_KEY, _MANY),
        "hosts_requested": Items(_KEY, _MANY),
        "hosts_partial": Table(_LONG, _MANY, _KEY),
        "start_ns": MOMENT,
        "end_ns": MOMENT,
        "interval_ns": Whole(1, 10**18),
        "facts": Table(FACTS, _MANY, _KEY),
        "verdict": VERDICT,
    },
    {
        "format": Whole(1),
        "program": REASON,
        "run": NAME,
        "stem": Maybe(NAME),
        "benchmark": NAME,
        "collection_method": REASON,
        "ended_by": REASON,
        "missing_ranks": Items(COUNT, _MANY),
        "marks_lost": COUNT,
        "t0_ns": Whole(),
        "capacity": COUNT,
        "options": Table(_FURTHER, 1024, NAME),
        "warnings": Table(Items(_LONG, _MANY), _MANY, _KEY),
        "clock_bound_ns": Table(Maybe(Whole()), _MANY, _KEY),
        "marks": Items(Record(_MARK, {"host": Maybe(_KEY), "read_bytes": COUNT}, _FURTHER), _MANY),
        "command": Maybe(Items(_LONG, _MANY)),
        "command_exit_code": Maybe(Whole(-INT64_MAX)),
        "command_ns": Maybe(Items(MOMENT, 2, least=2)),
        "verdict_remarks": Items(_LONG, _MANY),
        "environment": Table(_LONG, _MANY, REASON),
        "written_ns": MOMENT,
    },
    _FURTHER,
)

_EVENT = Record({"type": NAME}, {}, _FURTHER)
#: type of an event -> its form; events of other types have no reader
_EVENTS = {
    "device": Record({"source": NAME, "table": NAME, "device": NAME, "slot": COUNT}, {}, _FURTHER),
    "slowed": Record({"source": NAME, "every": COUNT, "cost_us": COUNT}, {}, _FURTHER),
    "job_limits": Record(
        {
            "version": Maybe(COUNT),
            "path": Maybe(_LONG),
            "memory_max_bytes": Maybe(COUNT),
            "cpus_max": Maybe(Real()),
            "io_max": Items(_LONG, 64),
        },
        {},
        _FURTHER,
    ),
}


class _Event(Form):
    """An entry of the event log."""

    def check(self, value: Any, where: Place = "") -> None:
        _EVENT.check(value, where)
        _EVENTS.get(value["type"], _EVENT).check(value, where)


#: of the member ``HOST/meta``
META = Record(
    {},
    {
        "identity": Record({}, {"hostname": Maybe(REASON)}, _FURTHER),
        "events": Items(_Event(), _MANY),
        "layout": LAYOUT,
        "topology": Maybe(Record({}, {"block": TOPOLOGY, "net": TOPOLOGY}, _FURTHER)),
        "snapshot": Maybe(SNAPSHOT),
        "snapshot_end": Maybe(SNAPSHOT),
    },
    _FURTHER,
)
