"""Messages of the workers that rank 0 has received and not yet used.

A message is the answer to a request, ``{"answer": NAME, ...}``, or an event, ``{"event": NAME,
...}``. One with an ``error`` reports a failure of the worker and answers whatever it is asked next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import nap

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

Message = dict[str, Any]

_ENVELOPE = "answer"
_FIRST_NAP_S = 0.0005
_LONGEST_NAP_S = 0.02


def answer_fields(message: Message) -> dict[str, Any]:
    """Return an answer without the name of the request."""
    return {k: v for k, v in message.items() if k != _ENVELOPE}


class Inbox:
    """Messages by rank. ``world`` None: there are no other ranks.

    ``on_error``: called with (rank, error) of a failure.
    """

    def __init__(self, world: World | None, on_error: Callable[[int, str], None]) -> None:
        self._world = world
        self._on_error = on_error
        self._messages: dict[int, list[Message]] = {}

    def receive_all(self) -> None:
        """Take what has arrived."""
        while self._world is not None:
            got = self._world.receive()
            if got is None:
                return
            sender, message = got
            self._messages.setdefault(sender, []).append(message)

    def newest(self, event: str) -> dict[int, Message]:
        """Return {rank: message} of the ranks whose newest message is ``event``; it stays here."""
        return {
            rank: messages[-1]
            for rank, messages in self._messages.items()
            if messages[-1].get("event") == event
        }

    def take(self, rank: int, name: str) -> Message | None:
        """Return and remove the first message ``name`` of ``rank``, or a report of failure."""
        messages = self._messages.get(rank, [])
        for i, message in enumerate(messages):
            kind = message.get(_ENVELOPE) or message.get("event")
            if kind == name or "error" in message:
                del messages[i]
                if not messages:
                    del self._messages[rank]
                if "error" in message:
                    self._on_error(rank, f"{kind}: {message['error']}")
                return message
        return None

    def ask(
        self, ranks: Iterable[int], request: str, timeout_s: float, **fields: Any
    ) -> dict[int, Message]:
        """Send a request to all of ``ranks``; return {rank: answer} of those that come in time."""
        asked = set(ranks) - {0}
        if self._world is None or not asked:
            return {}
        for rank in sorted(asked):
            self._world.send(rank, do=request, **fields)
        return self.wait_for(asked, request, timeout_s)

    def wait_for(self, ranks: Iterable[int], name: str, timeout_s: float) -> dict[int, Message]:
        """Return the messages ``name`` of all of ``ranks`` that come in time, {rank: message}."""
        left = set(ranks)
        out: dict[int, Message] = {}
        deadline = mono_ns() + int(timeout_s * 1e9)
        pause = _FIRST_NAP_S
        while left and mono_ns() < deadline:
            self.receive_all()
            for rank in sorted(left & self._messages.keys()):
                message = self.take(rank, name)
                if message is not None:
                    out[rank] = message
                    left.discard(rank)
                    pause = _FIRST_NAP_S
            if left:
                nap(pause)
                pause = min(pause * 1.5, _LONGEST_NAP_S)
        return out

    def wait_for_one(
        self, ranks: set[int], name: str, timeout_s: float
    ) -> tuple[int, Message] | None:
        """Return the first (rank, message) ``name`` of any of ``ranks``; None when none comes."""
        deadline = mono_ns() + int(timeout_s * 1e9)
        while mono_ns() < deadline:
            self.receive_all()
            for rank in sorted(ranks & self._messages.keys()):
                message = self.take(rank, name)
                if message is not None:
                    return rank, message
            nap(0.002)
        return None
