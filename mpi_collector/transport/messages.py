"""The messages of a session: checked where they arrive, before anything else sees them.

A side that sends something else than the protocol declares is not talked to any more
(MessageError): what it would say next means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpi_collector.errors import MessageError, SessionLostError
from mpi_collector.node.agent.agent import AGENT_REQUESTS
from mpi_collector.node.agent.messages import HELLO, Request
from mpi_collector.node.errors import FormError
from mpi_collector.node.forms import Form
from mpi_collector.node.frames import BLOB_MAX, VERSION, FrameDecoder

_ENVELOPE = "id"


@dataclass(frozen=True)
class Protocol:
    """What the other side of a session may send.

    ``hello``: its first message. ``events``: forms of messages that answer nothing, without their
    key ``event``; {event: form}. ``json_max``, ``values_max``: bounds of a message, bytes and
    values of its JSON.
    """

    hello: Form
    requests: Mapping[str, Request]
    events: Mapping[str, Form] = field(default_factory=dict)
    json_max: int = 8 << 20
    values_max: int = 1 << 19

    def decoder(self) -> FrameDecoder:
        """Return a decoder of the frames of the other side."""
        return FrameDecoder(self.json_max, BLOB_MAX, self.values_max)

    def check_hello(self, message: dict[str, Any]) -> None:
        """Raise SessionLostError for another version, MessageError for what is no hello."""
        version = message.get("hello")
        if version != VERSION or isinstance(version, bool):
            raise SessionLostError(
                f"the agent uses protocol {str(version)[:40]}, this program {VERSION}"
            )
        _checked("hello", self.hello, message)

    def check_event(self, message: dict[str, Any]) -> None:
        """Raise MessageError when ``message`` is not an event of this protocol."""
        name = message["event"]
        form = self.events.get(name) if isinstance(name, str) else None
        if form is None:
            raise MessageError(f"sent an event that does not exist: {str(name)[:40]!r}")
        _checked(f"event {name!r}", form, {k: v for k, v in message.items() if k != "event"})

    def answer_to(self, do: str, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Return the fields of an answer to the request ``do``. MessageError when it is none."""
        fields = {k: v for k, v in message.items() if k != _ENVELOPE}
        try:
            self.requests[do].check_answer(fields, len(blob))
        except FormError as e:
            raise MessageError(f"its answer to {do!r} is not in the protocol: {e}") from None
        return fields


def _checked(what: str, form: Form, fields: dict[str, Any]) -> None:
    try:
        form.check(fields)
    except FormError as e:
        raise MessageError(f"its {what} is not in the protocol: {e}") from None


#: of an agent on a host, or in a child process
AGENT = Protocol(HELLO, AGENT_REQUESTS)
