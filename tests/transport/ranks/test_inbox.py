"""What rank 0 does with the messages of its workers."""

from __future__ import annotations

from typing import Any

from mpi_collector.transport.ranks.inbox import Inbox, answer_fields


class Arrived:
    """A world in which ``messages`` have arrived. Requests are noted, and answered by ``answers``."""

    def __init__(
        self, messages: list[tuple[int, dict[str, Any]]], answers: dict[int, dict[str, Any]]
    ) -> None:
        self.messages = messages
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self._answers = answers

    def send(self, dest: int, **message: Any) -> None:
        self.sent.append((dest, message))
        if dest in self._answers:
            self.messages.append((dest, self._answers[dest]))

    def receive(self) -> tuple[int, dict[str, Any]] | None:
        return self.messages.pop(0) if self.messages else None


def inbox_of(world: Any, errors: dict[int, str]) -> Inbox:
    return Inbox(world, errors.__setitem__)


def test_answers_events_and_failures() -> None:
    """A failure answers whatever is asked, and is noted; other messages wait for their question."""
    errors: dict[int, str] = {}
    messages = [
        (1, {"event": "stop_request"}),
        (1, {"answer": "stop", "samples": 3}),
        (2, {"answer": "clock", "error": "OSError: x"}),
        (3, {"event": "bye", "stuck": False}),
    ]
    inbox = inbox_of(Arrived(messages, {}), errors)
    inbox.receive_all()
    assert inbox.take(1, "pack") is None
    assert inbox.take(1, "stop") == {"answer": "stop", "samples": 3}
    assert inbox.take(1, "stop_request") == {"event": "stop_request"}
    assert inbox.take(1, "stop_request") is None
    assert inbox.take(2, "pack") == {"answer": "clock", "error": "OSError: x"}
    assert errors == {2: "clock: OSError: x"}
    assert list(inbox.newest("bye")) == [3]


def test_only_those_that_answer_in_time() -> None:
    """Rank 0 is never asked; silent ranks are left out after the time-out."""
    world: Any = Arrived([], {1: {"answer": "spools", "spools": []}, 3: {"event": "hello"}})
    inbox = inbox_of(world, {})
    answers = inbox.ask([0, 1, 2, 3], "spools", 0.05, places=["/x"])
    assert answers == {1: {"answer": "spools", "spools": []}}
    assert [dest for dest, _ in world.sent] == [1, 2, 3]
    assert world.sent[0][1] == {"do": "spools", "places": ["/x"]}
    assert answer_fields(answers[1]) == {"spools": []}
    assert inbox.wait_for_one({2, 3}, "pack", 0.01) is None
    assert inbox.wait_for_one({2, 3}, "hello", 1) == (3, {"event": "hello"})


def test_without_other_ranks() -> None:
    inbox = Inbox(None, lambda rank, error: None)
    inbox.receive_all()
    assert inbox.ask([0, 1], "stop", 10) == {}
