"""The requests to a recorder: what is answered has the form that the table promises, errors included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.node.agent.agent import AGENT_REQUESTS, AgentService
from mpi_collector.node.agent.messages import RECORDER_REQUESTS, Request
from mpi_collector.node.agent.service import Answer, RecorderService, Service
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.options import SamplingOptions


def ask(service: Service, do: str, **fields: Any) -> Answer:
    """Return the answer to a request that must not fail and whose answer must fit the table."""
    answer = service.answer({"do": do, "id": 1, **fields})
    assert "error" not in answer.fields, answer.fields
    request = service.requests[do]
    request.check_answer(answer.fields, len(answer.blob))
    assert bool(answer.blob) == request.blob
    return answer


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return SamplingOptions(interval_s=0.05, spool_dir=str(tmp_path), sources="basic").to_dict()


@pytest.fixture
def service() -> Iterator[AgentService]:
    service = AgentService()
    yield service
    service.close()


def start(service: RecorderService, options: dict[str, Any]) -> None:
    """Prepare and start a recorder, and wait for its first sample."""
    ask(service, "prepare", options=options, run="run", key="a", facts={"benchmark": "host"})
    ask(service, "clock", mono_ns=mono_ns(), offset_ns=0, bound_ns=0)
    ask(service, "start", t0_ns=mono_ns(), epoch_ns=wall_ns(), capacity=100, hosts=1)
    deadline = mono_ns() + 30_000_000_000
    while not ask(service, "first").fields["sampling"]:
        assert mono_ns() < deadline


def test_a_whole_run(service: AgentService, options: dict[str, Any], tmp_path: Path) -> None:
    """Every request of the table is made once, in the order of a run."""
    made: list[str] = []
    reply = service.answer
    service.answer = lambda m: (made.append(m["do"]), reply(m))[1]  # type: ignore[method-assign]
    assert not service.prepared
    ask(service, "time")
    ask(service, "check", spool_dir=str(tmp_path))
    start(service, options)
    assert service.prepared
    assert ask(service, "status").fields["taken"] >= 1
    ask(service, "snapshot")
    ask(service, "live")
    ask(service, "beat")
    ask(service, "flush")
    ask(service, "mark", event={"type": "mark", "text": "x", "edge": "point", "mono_ns": mono_ns()})
    assert ask(service, "replicate", got=0).fields["doc"]["number"] == 1
    first = ask(service, "stop").fields
    assert first["samples"] >= 2
    assert ask(service, "stop").fields == first
    packed = ask(service, "pack", json=False).fields
    assert packed == ask(service, "pack").fields
    assert packed["facts"]["marks"][0]["text"] == "x"
    assert [s["key"] for s in ask(service, "spools", places=[str(tmp_path)]).fields["spools"]] == [
        "a"
    ]
    for number, head in enumerate(packed["heads"]):
        whole = ask(service, "fetch", member=number, offset=0).blob
        assert len(whole) == head["packed"]
        assert ask(service, "fetch", member=number, offset=1, size=3).blob == whole[1:4]
    service.close()
    claim = ask(service, "claim", places=[str(tmp_path)], run="run", token="me").fields
    assert claim["claimed"] and [s["key"] for s in claim["spools"]] == ["a"]
    about = ask(service, "adopt", spool_dir=str(tmp_path), run="run", key="a").fields["about"]
    assert about["facts"]["samples"] == first["samples"]
    ask(service, "discard")
    assert not service.prepared
    assert not list(tmp_path.rglob("a"))
    ask(service, "quit")
    assert service.done
    assert set(made) == set(AGENT_REQUESTS)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "no such request: None"),
        ({"do": 7}, "no such request: 7"),
        ({"do": ["stop"]}, "no such request"),
        ({"do": "answer"}, "no such request: 'answer'"),
        ({"do": "close"}, "no such request: 'close'"),
        ({"do": "adopt", "run": "run", "key": "a"}, "adopt: field 'spool_dir' is missing"),
        ({"do": "replicate", "got": "1"}, "replicate: field 'got' is of type str"),
        ({"do": "pack", "json": "yes"}, "pack: field 'json' is of type str"),
        ({"do": "stop"}, "not prepared"),
        ({"do": "discard"}, "not prepared"),
        ({"do": "adopt", "spool_dir": "/", "run": "../x", "key": "a"}, "'run' is not allowed"),
    ],
)
def test_errors_are_answers(message: dict[str, Any], error: str) -> None:
    """A request that is unknown, malformed or out of order is answered; the service goes on."""
    service = RecorderService()
    answer = service.answer(message)
    assert list(answer.fields) == ["error"]
    assert error in answer.fields["error"]
    assert answer.blob == b""
    ask(service, "time")


def test_fatal_exceptions_pass() -> None:
    """Exceptions that end the conversation are no answers."""

    class Broken(Service):
        requests = {"break": Request("raise"), "lose": Request("raise")}
        fatal = (EOFError,)

        def __getattr__(self, name: str) -> Any:
            raise EOFError if name == "break" else KeyError("x")

    service = Broken()
    with pytest.raises(EOFError):
        service.answer({"do": "break"})
    assert service.answer({"do": "lose"}).fields == {"error": "KeyError: 'x'"}


def test_every_request_has_a_method() -> None:
    """The table and the methods of the service belong together."""
    for name, request in RECORDER_REQUESTS.items():
        assert callable(getattr(RecorderService, name))
        assert request.about
        assert not set(request.form.needed) & set(request.form.optional)
