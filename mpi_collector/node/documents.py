"""Forms of the documents that a host sends: who it is, what it is, what it has recorded.

What each key means is said where the document is made: host/identity.py, host/snapshot/document.py,
table/facts.py, row/layout.py, spool/directory.py.
"""

from .forms import (
    COUNT,
    FILE_NAME,
    INT64_MAX,
    MOMENT,
    NAME,
    NAME_BYTES,
    PATH,
    PATH_CHARS,
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
from .host.snapshot.form import SNAPSHOT, TOPOLOGY
from .row.placement import POLICIES
from .spool.marks import EDGES, TEXT_MAX
from .status import STATUS_NAMES
from .table.presence import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .forms import Place

_EVENTS_MOST = 1 << 15  #: in a log of 256 kB, and of marks in a file of 1 MB
COLUMNS_MOST = 1 << 18  #: of a host; one of a thousand CPUs has 50,000
_STATUS = Whole(0, len(STATUS_NAMES) - 1)


def _is_word(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "_-" for c in text)


#: of a benchmark: part of the names of files
BENCHMARK = Text(64, _is_word)

IDENTITY = Record(
    {
        "hostname": Text(NAME_BYTES, bool),
        "boot_id": Maybe(Text(NAME_BYTES)),
        "machine_id": Maybe(Text(NAME_BYTES)),
        "net_namespace": Maybe(Whole(0, 2**64)),
        "addresses": Items(Text(NAME_BYTES), 1 << 17),
    }
)

# ---- what was recorded
_EVENTS = {
    "grid": Record(
        {
            "type": OneOf("grid"),
            "t0_ns": MOMENT,
            "epoch_ns": MOMENT,
            "interval_ns": Whole(1, INT64_MAX),
            "policy": OneOf(*POLICIES),
            "capacity": Whole(1, INT64_MAX),
        },
        {"hosts": COUNT},
    ),
    "clock": Record(
        {"type": OneOf("clock"), "mono_ns": MOMENT, "offset_ns": Whole(), "bound_ns": MOMENT}
    ),
    "device": Record(
        {
            "type": OneOf("device"),
            "source": NAME,
            "table": NAME,
            "device": NAME,
            "slot": COUNT,
            "tick": Whole(-1, INT64_MAX),
        },
        {"facts": Table(Anything(depth=2, most=PATH_CHARS), 64, NAME)},
    ),
    "lost": Record(
        {
            "type": OneOf("lost"),
            "source": NAME,
            "what": NAME,
            "name": NAME,
            "tick": Whole(-1, INT64_MAX),
        }
    ),
    "mark": Record(
        {"type": OneOf("mark"), "text": Text(TEXT_MAX), "edge": OneOf(*EDGES), "mono_ns": MOMENT},
        {"wall_ns": MOMENT},
    ),
    "dropped": Record({"type": OneOf("dropped"), "marks": COUNT, "events": COUNT}),
    "helpers": Record({"type": OneOf("helpers"), "cpu_ns": COUNT}),
    "end": Record({"type": OneOf("end"), "last_tick": Whole(-1, 1 << 48), "samples": COUNT}),
    "slowed": Record(
        {
            "type": OneOf("slowed"),
            "source": NAME,
            "every": COUNT,
            "tick": Whole(-1, INT64_MAX),
            "cost_us": COUNT,
        }
    ),
}
_OTHER_EVENT = Record({"type": NAME}, further=Anything(depth=2, most=PATH_CHARS))


class _Event(Form):
    """An entry of the event log: the form of its type, anything for a type not listed here."""

    def check(self, value: "Any", where: "Place" = "") -> None:
        _OTHER_EVENT.check(value, where)
        _EVENTS.get(value["type"], _OTHER_EVENT).check(value, where)


EVENT = _Event()
GRID = _EVENTS["grid"]

FACTS = Record(
    {
        "samples": COUNT,
        "ticks": COUNT,
        "last_tick": Whole(-1, 1 << 48),
        "missed": COUNT,
        "level": Whole(0, 63),
        "complete": Flag(),
        "ended_by": NAME,
        "late_p50_ns": Maybe(Whole()),
        "late_p99_ns": Maybe(Whole()),
        "late_max_ns": Maybe(Whole()),
        "cpu_share": Maybe(Real()),
        "statuses": Table(Table(COUNT, len(STATUS_NAMES), OneOf(*STATUS_NAMES)), 1024, NAME),
        "lost": Items(_EVENTS["lost"], _EVENTS_MOST),
        "marks": Items(
            Record({"text": Text(TEXT_MAX), "edge": OneOf(*EDGES), "utc_ns": Whole()}), _EVENTS_MOST
        ),
        "marks_lost": COUNT,
        "events_lost": COUNT,
        "columns": Whole(0, COLUMNS_MOST),
        "cpu_ns": Maybe(Whole()),
        "helpers_cpu_ns": Maybe(Whole()),
        "source_rows": Table(Record({"due": COUNT, "bad": COUNT, "at_stop": Flag()}), 1024, NAME),
        "missing_sources": Items(
            Record(
                {
                    "source": NAME,
                    "status": OneOf(*STATUS_NAMES),
                    "reason": REASON,
                    "named": Flag(),
                }
            ),
            1024,
        ),
        "late_sources": Table(Whole(), 1024, NAME),
        "slowed": Table(COUNT, 1024, NAME),
        "absent_devices": Items(
            Record(
                {
                    "source": NAME,
                    "kind": OneOf(*sorted(set(KINDS.values()))),
                    "device": NAME,
                    "counted": Flag(),
                    "absent": Items(Items(Maybe(Whole()), 2, least=2), 1024),
                }
            ),
            COLUMNS_MOST,
        ),
        "unknown_cells": Items(
            Record(
                {
                    "source": NAME,
                    "device": NAME,
                    "counted": Flag(),
                    "fields": Items(NAME, 1 << 16),
                    "rows": COUNT,
                    "due": COUNT,
                }
            ),
            COLUMNS_MOST,
        ),
    }
)

LAYOUT = Record(
    {
        "sources": Items(NAME, 1024),
        "tables": Items(
            Record(
                {
                    "source": NAME,
                    "table": NAME,
                    "fields": Items(Items(REASON, 4, least=4), 1 << 16),
                    "devices": Items(NAME, 1 << 20),
                    "slots": Whole(0, 1 << 20),
                }
            ),
            1 << 16,
        ),
    }
)

OPTIONS = Table(Anything(depth=2, most=PATH_CHARS), 64, NAME)

#: of the member ``HOST/meta``
META = Record(
    {"layout": LAYOUT, "events": Items(EVENT, _EVENTS_MOST), "facts": FACTS},
    {
        "run": FILE_NAME,
        "host": FILE_NAME,
        "benchmark": BENCHMARK,
        "stem": Maybe(NAME),
        "version": NAME,
        "options": OPTIONS,
        "identity": IDENTITY,
        "snapshot": Maybe(SNAPSHOT),
        "snapshot_end": Maybe(SNAPSHOT),
        "topology": Record({}, {"block": TOPOLOGY, "net": TOPOLOGY}),
        "raw_bytes": Items(COUNT, 1024),
        "absent": Table(_STATUS, 1024, NAME),
        "absent_reasons": Table(REASON, 1024, NAME),
    },
    further=Anything(),
)

#: of a packed member
HEAD = Record(
    {
        "kind": OneOf("npz", "json"),
        "name": Text(2 * NAME_BYTES),
        "crc": Whole(0, 2**32 - 1),
        "size": COUNT,
        "packed": COUNT,
    }
)

#: of a spool that ``find_spools`` found
FOUND_SPOOL = Record(
    {
        "dir": PATH,
        "run": FILE_NAME,
        "key": FILE_NAME,
        "bytes": COUNT,
        "mtime": COUNT,
        "alive": Flag(),
    }
)

#: what ``RecoveredSpool.about`` returns
ABOUT = Record(
    {
        "meta": Record(
            {
                "benchmark": BENCHMARK,
                "stem": Maybe(NAME),
                "options": OPTIONS,
                "identity": Maybe(IDENTITY),
            }
        ),
        "grid": GRID,
        "clock_bound_ns": MOMENT,
        "end_ns": Maybe(Whole()),
        "facts": FACTS,
    }
)

#: of a host that can record
READY = Record(
    {
        "rows": Whole(1, INT64_MAX),
        "spool": Maybe(PATH),
        "absent": Table(_STATUS, 1024, NAME),
        "columns": Whole(1, COLUMNS_MOST),
        "warnings": Items(REASON, 256),
    }
)
STOPPED = Record({"samples": COUNT, "last_tick": Whole(-1, 1 << 48), "failure": Maybe(REASON)})
#: of a change set: see spool/replica.py
CHANGE_SET = Record({"number": COUNT, "size": COUNT, "plain": COUNT, "more": Flag()})
#: of ``check_host``; reached: an address of the launch side, which a connection got through to
HOST_CHECK = Record(
    {
        "free_bytes": Maybe(COUNT),
        "file_system": Maybe(NAME),
        "failures": Items(REASON, 16),
        "hazards": Items(REASON, 256),
        "reached": Maybe(Text(NAME_BYTES)),
    }
)
