"""The protocol between a life-cycle process and rank 0 of a launch that it made.

The life-cycle process asks (transport/launch/control_client.py), as a launcher asks an agent, and
rank 0 answers (transport/ranks/control_server.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from mpi_collector.node.agent.live import LIVE_VECTOR
from mpi_collector.node.agent.messages import Request
from mpi_collector.node.documents import (
    ABOUT,
    FACTS,
    FOUND_SPOOL,
    HEAD,
    IDENTITY,
    OPTIONS,
    READY,
    STOPPED,
)
from mpi_collector.node.forms import (
    FILE_NAME,
    INT64_MAX,
    MOMENT,
    NAME,
    NOTHING,
    PATH,
    REASON,
    Anything,
    Flag,
    Form,
    Items,
    Maybe,
    Record,
    Table,
    Whole,
)
from mpi_collector.node.frames import JSON_MAX
from mpi_collector.node.host.snapshot.form import SNAPSHOT
from mpi_collector.transport.messages import Protocol

_RANKS_MOST = 1 << 20
_HOST = Record(
    {
        "key": FILE_NAME,
        "hostname": NAME,
        "identity": Record({}, IDENTITY.needed),
        "ready": Record({}, READY.needed),
        "sampling": Flag(),
        "clock_bound_ns": Maybe(MOMENT),
        "stopped": Maybe(STOPPED),
        "collected": Flag(),
        "from_replica": Flag(),
        "error": Maybe(REASON),
        "cut_off": REASON,
        "woken": Maybe(Flag()),
        "gone": Flag(),
        "facts": Record({}, FACTS.needed),
    }
)
_HOST_NAMES = Table(FILE_NAME, _RANKS_MOST, NAME)
_STATE = {
    "hosts": Items(_HOST, _RANKS_MOST),
    "missing_ranks": Items(Whole(0, _RANKS_MOST), _RANKS_MOST),
    "capacity": Whole(0, INT64_MAX),
    "t0_ns": MOMENT,
    "now_ns": MOMENT,
    "epoch_ns": MOMENT,
}
_FOUND = {
    "spools": Table(Items(FOUND_SPOOL, 1 << 16), _RANKS_MOST, FILE_NAME),
    "unreached": Table(REASON, _RANKS_MOST, NAME),
}
_OPENING = {"options": OPTIONS, "run": FILE_NAME, "names": _HOST_NAMES}

#: the methods of Transport and RecoveryTransport; _STATE is what a ControlClient shows of the
#: coordinator
CONTROL_REQUESTS: Mapping[str, Request] = {
    "open": Request("Transport.open", {**_OPENING, "facts": Table(Anything(), 64, NAME)}, _STATE),
    "start": Request("Transport.start", answer=_STATE),
    "snapshot": Request(
        "Transport.snapshot; those from number first on, as many as go into a message",
        {"first": Whole(0, _RANKS_MOST)},
        {"snapshots": Table(SNAPSHOT, _RANKS_MOST, FILE_NAME), "more": Flag()},
    ),
    "status": Request("Transport.status", answer=_STATE),
    "stop": Request("Transport.stop", answer=_STATE),
    "gather": Request(
        "Transport.gather; the calls of the sink are events", {"json": Flag()}, _STATE
    ),
    "close": Request("Transport.close, and the end of the server", {"saved": Flag()}),
    "spools": Request(
        "RecoveryTransport.spools",
        _OPENING,
        {
            **_FOUND,
            "identities": Table(Record({}, IDENTITY.needed), _RANKS_MOST, FILE_NAME),
        },
    ),
    "claim": Request(
        "RecoveryTransport.claim; elsewhere: a host where somebody else has claimed the run",
        {"run": FILE_NAME},
        {**_FOUND, "elsewhere": Maybe(FILE_NAME)},
    ),
    "adopt": Request(
        "RecoveryTransport.adopt",
        {"host": FILE_NAME, "place": PATH, "run": FILE_NAME, "key": FILE_NAME},
        {"about": ABOUT},
    ),
    "take_adopted": Request(
        "RecoveryTransport.take_adopted; the calls of the sink are events", {"host": FILE_NAME}
    ),
    "drop_adopted": Request("RecoveryTransport.drop_adopted", {"host": FILE_NAME}),
}
#: each with the key ``event``: calls of the sink (write: the bytes are the blob), and what rank 0
#: has been told while nothing was asked
CONTROL_EVENTS: Mapping[str, Form] = {
    "begin_host": Record({"key": FILE_NAME}),
    "begin": Record({"head": HEAD}),
    "write": NOTHING,
    "end_host": NOTHING,
    "drop_host": NOTHING,
    "stop_request": NOTHING,
    "live": Record({"vectors": Table(LIVE_VECTOR, _RANKS_MOST, FILE_NAME)}),
    "cut_off": Record({"key": FILE_NAME, "why": REASON}),
}
#: what the life-cycle process sends beside requests: a blob was taken; give up slow hosts
CONTROL_NOTES: Mapping[str, Form] = {
    "ack": Record({"ack": Whole(1, 1)}),
    "hurry": Record({"hurry": Whole(1, 1)}),
}

_HELLO = Record(
    {
        "hello": Whole(0, INT64_MAX),
        "identity": IDENTITY,
        "pid": Whole(1, INT64_MAX),
        "size": Whole(1, _RANKS_MOST),
        "library": NAME,
    }
)

#: of rank 0; the state of thousands of hosts is one message
CONTROL = Protocol(_HELLO, CONTROL_REQUESTS, CONTROL_EVENTS, JSON_MAX, 1 << 22)
