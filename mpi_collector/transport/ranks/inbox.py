"""Messages of the workers that rank 0 has received and not yet used (ranks/messages.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mpi_collector.errors import PeerMessageError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.errors import FormError
from mpi_collector.transport.base import nap
from mpi_collector.transport.ranks.messages import ENVELOPE, Message, check_message

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

_HELD_MOST = 64  #: messages of one rank that were not used; an honest one has two or three
_AT_ONCE = 16  #: messages that are taken in one go, for each rank that there is
_FIRST_NAP_S = 0.0005
_LONGEST_NAP_S = 0.02


class Inbox:
    """Messages by rank. ``world`` None: there are no other ranks.

    ``on_error``: called with (rank, error) of a failure that a rank reports. ``on_odd``: called
    with (rank, error) of a rank that sends what the protocol does not have; that counts as a
    failure of whatever it is asked next, and no more is taken from it.
    """

    def __init__(
        self,
        world: World | None,
        on_error: Callable[[int, str], None],
        on_odd: Callable[[int, str], None] | None = None,
    ) -> None:
        self._world = world
        self._on_error = on_error
        self._on_odd = on_odd or on_error
        self._messages: dict[int, list[Message]] = {}
        self._odd: set[int] = set()

    def receive_all(self) -> None:
        """Take what has arrived; of many messages a part, so that no rank holds this one up."""
        if self._world is None:
            return
        if self._world.ringer is not None:
            self._world.ringer.turn()
        for _ in range(_AT_ONCE * self._world.size):
            try:
                got = self._world.receive()
                if got is None:
                    return
                self._take_in(*got)
            except PeerMessageError as e:
                self._refuse(e.rank, e.what)

    def _take_in(self, sender: int, message: Any) -> None:
        if sender in self._odd:
            return
        try:
            check_message(message)
        except FormError as e:
            self._refuse(sender, f"sent a message that is not in the protocol: {e}")
            return
        held = self._messages.setdefault(sender, [])
        held.append(message)
        if len(held) > _HELD_MOST:
            self._refuse(sender, "sends messages without end")

    def _refuse(self, sender: int, why: str) -> None:
        """Take nothing more from ``sender``: it has failed."""
        if sender not in self._odd:
            self._odd.add(sender)
            self._messages[sender] = [{ENVELOPE: "", "error": why}]

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
            kind = message.get(ENVELOPE) or message.get("event")
            if kind == name or "error" in message:
                del messages[i]
                if not messages:
                    del self._messages[rank]
                if "error" in message:
                    self._report(rank, kind, message["error"])
                return message
        return None

    def _report(self, rank: int, kind: object, error: str) -> None:
        if rank in self._odd:
            self._messages[rank] = [{ENVELOPE: "", "error": error}]  # to the next question as well
            self._on_odd(rank, error)
        else:
            self._on_error(rank, f"{kind}: {error}")

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
        while left:
            self.receive_all()
            for rank in sorted(left & self._messages.keys()):
                message = self.take(rank, name)
                if message is not None:
                    out[rank] = message
                    left.discard(rank)
                    pause = _FIRST_NAP_S
            if not left or self._is_over(deadline):
                break
            nap(pause)
            pause = min(pause * 1.5, _LONGEST_NAP_S)
        return out

    def _is_over(self, deadline_ns: int) -> bool:
        """Return whether nobody is to be waited for any more."""
        return mono_ns() >= deadline_ns or (self._world is not None and self._world.hurry.over)

    def wait_for_one(
        self, ranks: set[int], name: str, timeout_s: float
    ) -> tuple[int, Message] | None:
        """Return the first (rank, message) ``name`` of any of ``ranks``; None when none comes."""
        deadline = mono_ns() + int(timeout_s * 1e9)
        while True:
            self.receive_all()
            for rank in sorted(ranks & self._messages.keys()):
                message = self.take(rank, name)
                if message is not None:
                    return rank, message
            if self._is_over(deadline):
                return None
            nap(0.002)
