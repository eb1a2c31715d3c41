"""What rank 0 does with the messages of its workers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.errors import PeerMessageError
from mpi_collector.node.host.identity import identity
from mpi_collector.node.strict_json import loads
from mpi_collector.transport.deadline import Hurry
from mpi_collector.transport.ranks.inbox import Inbox
from mpi_collector.transport.ranks.messages import answer_fields

STOP = {"answer": "stop", "samples": 3, "last_tick": 2, "failure": None}
HELLO = {"event": "hello", "identity": dict(identity()), "pid": 7}
ANY: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["answer", "event", "error", "bytes", "doc", "stop", "hello", "identity"])
            | st.text(max_size=3),
            inner | st.sampled_from(["stop", "pack", "hello", "replicate", "bye"]),
            max_size=5,
        )
    ),
    max_leaves=10,
)  # fmt: skip


class Arrived:
    """A world in which ``messages`` have arrived. Requests are noted, and answered by ``answers``."""

    size = 4
    ringer = None

    def __init__(self, messages: list[tuple[int, Any]], answers: dict[int, Any]) -> None:
        self.messages = messages
        self.hurry = Hurry()
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self._answers = answers

    def send(self, dest: int, **message: Any) -> None:
        self.sent.append((dest, message))
        if dest in self._answers:
            self.messages.append((dest, self._answers[dest]))

    def receive(self) -> tuple[int, Any] | None:
        if not self.messages:
            return None
        sender, message = self.messages.pop(0)
        if isinstance(message, bytes):  # as World does
            try:
                return sender, loads(message)
            except ValueError as e:
                raise PeerMessageError(sender, f"sent a message that is no JSON: {e}") from None
        return sender, message


def inbox_of(world: Any, errors: dict[int, str]) -> Inbox:
    return Inbox(world, errors.__setitem__)


def test_answers_events_and_failures() -> None:
    """A failure answers whatever is asked, and is noted; other messages wait for their question."""
    errors: dict[int, str] = {}
    messages = [
        (1, {"event": "stop_request"}),
        (1, STOP),
        (2, {"answer": "clock", "error": "OSError: x"}),
        (3, {"event": "bye", "stuck": False}),
    ]
    inbox = inbox_of(Arrived(messages, {}), errors)
    inbox.receive_all()
    assert inbox.take(1, "pack") is None
    assert inbox.take(1, "stop") == STOP
    assert inbox.take(1, "stop_request") == {"event": "stop_request"}
    assert inbox.take(1, "stop_request") is None
    assert inbox.take(2, "pack") == {"answer": "clock", "error": "OSError: x"}
    assert errors == {2: "clock: OSError: x"}
    assert list(inbox.newest("bye")) == [3]


def test_only_those_that_answer_in_time() -> None:
    """Rank 0 is never asked; silent ranks are left out after the time-out."""
    world: Any = Arrived([], {1: {"answer": "spools", "spools": []}, 3: HELLO})
    inbox = inbox_of(world, {})
    answers = inbox.ask([0, 1, 2, 3], "spools", 0.05, places=["/x"])
    assert answers == {1: {"answer": "spools", "spools": []}}
    assert [dest for dest, _ in world.sent] == [1, 2, 3]
    assert world.sent[0][1] == {"do": "spools", "places": ["/x"]}
    assert answer_fields(answers[1]) == {"spools": []}
    assert inbox.wait_for_one({2, 3}, "pack", 0.01) is None
    assert inbox.wait_for_one({2, 3}, "hello", 1) == (3, HELLO)


def test_without_other_ranks() -> None:
    inbox = Inbox(None, lambda rank, error: None)
    inbox.receive_all()
    assert inbox.ask([0, 1], "stop", 10) == {}


ODD = [
    {"answer": "stop", "samples": 3},
    {**STOP, "samples": "3"},
    {**STOP, "samples": -1},
    {**STOP, "more": 1},
    {**STOP, "answer": "launch"},
    {**STOP, "answer": None},
    {**STOP, "answer": ["stop"]},
    {"samples": 3},
    {"event": "begin_host", "key": "a"},
    {"event": ["bye"]},
    {"event": "bye"},
    {"event": "bye", "stuck": 0},
    {"event": "hello", "identity": {}, "pid": 1},
    {**HELLO, "identity": {**HELLO["identity"], "hostname": 7}},
    {"answer": "prepare", "rows": 1},
    {"answer": "pack", "heads": []},
    {"answer": "replicate", "doc": {"number": 1, "size": 1, "plain": 1, "more": False}, "bytes": 1 << 40},
    {"answer": "replicate", "doc": {"number": 1, "size": 1, "plain": 1, "more": False}},
    {"answer": "measure_clock", "bound_ns": "0"},
    {"answer": "snapshot", "snapshot": []},
    {"answer": "stop", "error": 7},
    [],
    None,
    "stop",
    b"",
    b"\xff",
    b"{",
    b'{"answer": "stop", "samples": NaN, "last_tick": 2, "failure": null}',
    b'{"answer": "stop", "samples": 1, "samples": 3, "last_tick": 2, "failure": null}',
    b"[" * 100_000,
    b"[" + b"[]," * 1_000_000 + b"1]",
]  # fmt: skip


@pytest.mark.parametrize("message", ODD, ids=lambda m: repr(m)[:60])
def test_an_odd_message_is_the_failure_of_its_rank(message: Any) -> None:
    """Whatever a rank sends: its next question has failed, and the others are heard."""
    odd: dict[int, str] = {}
    world: Any = Arrived([(2, message), (1, STOP), (2, STOP)], {})
    inbox = Inbox(world, lambda rank, error: None, odd.__setitem__)
    answers = inbox.wait_for([1, 2], "stop", 5)
    assert answers[1] == STOP
    assert "error" in answers[2]
    assert list(odd) == [2]
    assert odd[2].startswith("sent a message")
    assert "error" in inbox.wait_for([2], "pack", 1)[2]  # and no time is lost on the next one


def test_a_rank_that_sends_without_end() -> None:
    """What one rank sends without end is not kept, and keeps rank 0 from nothing."""
    odd: dict[int, str] = {}

    class Flood(Arrived):
        def receive(self) -> tuple[int, Any] | None:
            return super().receive() or (2, {"event": "stop_request"})

    world: Any = Flood([], {1: STOP})
    inbox = Inbox(world, lambda rank, error: None, odd.__setitem__)
    assert inbox.ask([1], "stop", 5) == {1: STOP}
    while not odd:
        inbox.receive_all()
        inbox.take(2, "pack")
    assert odd == {2: "sends messages without end"}


@given(st.lists(st.tuples(st.integers(1, 3), ANY | st.binary(max_size=30)), max_size=6))
def test_any_messages(messages: list[tuple[int, Any]]) -> None:
    """No message raises anything, and what is given out has its declared form."""
    world: Any = Arrived([*messages], {})
    inbox = Inbox(world, lambda rank, error: None)
    inbox.receive_all()
    for name in ("hello", "stop", "pack", "replicate", "bye"):
        for rank in (1, 2, 3):
            got = inbox.take(rank, name)
            assert got is None or "error" in got or got.get("answer", got.get("event")) == name
    assert json.dumps(inbox.newest("bye"))
