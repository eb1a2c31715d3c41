"""What the ranks of a launch say to each other beside tables, and the forms of it.

A message of a worker is the answer to a request, ``{"answer": NAME, ...}``, or an event,
``{"event": NAME, ...}``. One with an ``error`` reports a failure and answers whatever the worker is
asked next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpi_collector.node.agent.messages import REASONS, RECORDER_REQUESTS, Request
from mpi_collector.node.documents import IDENTITY
from mpi_collector.node.errors import FormError
from mpi_collector.node.forms import (
    FILE_NAME,
    INT64_MAX,
    MOMENT,
    NOTHING,
    PATH,
    REASON,
    Flag,
    Form,
    Maybe,
    Record,
    Whole,
)
from mpi_collector.node.frames import BLOB_MAX, JSON_MAX
from mpi_collector.transport.ranks.bell_protocol import OFFER

Message = dict[str, Any]

ENVELOPE = "answer"
MESSAGE_MAX = JSON_MAX  #: bytes of a message, at most
VALUES_MAX = 1 << 19  #: of its JSON

WORKER_REQUESTS: Mapping[str, Request] = {
    **RECORDER_REQUESTS,
    "follow": Request(
        "another rank leads this host: do nothing until exit", {"run": FILE_NAME, "spool_dir": PATH}
    ),
    "bell": Request("connect to rank 0, to be woken by it (bell_protocol.py)", OFFER),
    "measure_clock": Request(
        "measure the offset to rank 0's clock and note it; bound_ns null: rank 0 did not respond",
        answer={"bound_ns": Maybe(MOMENT)},
    ),
    "idle": Request("no further request is due soon"),
    "send": Request("stream the packed members to rank 0 (World.send_stream)"),
    "exit": Request("leave; why: set when nothing was recorded", optional={"why": REASON}),
}
#: requests that are answered only when they fail
UNANSWERED = {"bell", "exit", "flush", "follow", "idle", "mark", "send"}

WORKER_EVENTS: Mapping[str, Form] = {
    "hello": Record({"identity": IDENTITY, "pid": Whole(1, INT64_MAX)}),
    "stop_request": NOTHING,
    "bye": Record({"stuck": Flag()}),
    "the block": Record({"error": REASONS}),
    "its rank": Record({"error": REASONS}),
}
_BLOB_SIZE = Whole(0, BLOB_MAX)


def check_message(message: object) -> None:
    """Raise FormError when ``message`` is none that a worker sends."""
    if not isinstance(message, dict):
        raise FormError("it is no object")
    event = message.get("event")
    if event is not None:
        form = WORKER_EVENTS.get(event) if isinstance(event, str) else None
        if form is None:
            raise FormError("there is no such event")
        form.check({k: v for k, v in message.items() if k != "event"})
        return
    name = message.get(ENVELOPE)
    request = WORKER_REQUESTS.get(name) if isinstance(name, str) else None
    if request is None:
        raise FormError("it answers no request")
    fields = {k: v for k, v in message.items() if k != ENVELOPE}
    if request.blob and "error" not in fields:
        _BLOB_SIZE.check(fields.pop("bytes", None), "bytes")
    request.check_answer(fields)


def answer_fields(message: Message) -> dict[str, Any]:
    """Return an answer without the name of the request."""
    return {k: v for k, v in message.items() if k != ENVELOPE}
