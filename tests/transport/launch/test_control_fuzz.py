"""Rank 0's end of the control channel: whatever comes, it answers or ends, and does nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.frames import FrameDecoder, encode
from mpi_collector.transport.control_messages import CONTROL_REQUESTS
from mpi_collector.transport.deadline import Hurry
from mpi_collector.transport.ranks.control_server import ControlServer
from mpi_collector.transport.ranks.control_service import LauncherGone


class _World:
    """Of the world of ranks what the channel itself needs."""

    size = 1

    def __init__(self) -> None:
        self.hurry = Hurry()

    def library(self) -> str:
        return "Open MPI"


def answers(data: bytes) -> list[dict[str, Any]]:
    """What rank 0 has sent until it ended, its hello included; the input is ``data``."""
    with tempfile.TemporaryFile() as output:
        reading, writing = os.pipe()
        try:
            os.write(writing, data)
            os.close(writing)
            server = ControlServer(cast(Any, _World()), cast(Any, None), (reading, output.fileno()))
            with pytest.raises(LauncherGone):
                server.serve()
        finally:
            os.close(reading)
        output.seek(0)
        said = output.read()
    return [message for message, _ in FrameDecoder().feed(said)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_NOTES = st.builds(lambda name, value: {name: value}, st.sampled_from(["ack", "hurry"]), _JSON)
_REQUESTS = st.builds(
    lambda do, number, fields: {**fields, "do": do, "id": number},
    st.sampled_from(sorted(set(CONTROL_REQUESTS) - {"close"})) | st.text(max_size=6),
    st.integers(0, 99) | _JSON,
    st.dictionaries(st.sampled_from(["run", "host", "key", "first", "json", "ack", "options"]), _JSON, max_size=3),
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(
        _NOTES | _REQUESTS | st.dictionaries(st.text(max_size=6), _JSON, max_size=3), max_size=4
    )
)
def test_any_message(messages: list[dict[str, Any]]) -> None:
    """A request gets its answer, with an error where it cannot be done; anything else ends it."""
    said = answers(b"".join(encode(m) for m in messages))
    assert said[0]["size"] == 1
    assert len(said) <= 1 + len(messages)
    assert all("error" in answer for answer in said[1:])


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    assert len(answers(data)) >= 1


@pytest.mark.parametrize(
    "note",
    [{"ack": 1}, {"ack": 0}, {"ack": True}, {"ack": None}, {"ack": 1, "x": 1}, {"ack": [1]},
     {"hurry": 2}, {"hurry": "1"}, {"hurry": 1, "do": "status", "id": 1}],
    ids=json.dumps,
)  # fmt: skip
def test_notes_that_are_none(note: dict[str, Any]) -> None:
    """Nothing was sent that could be acknowledged: nobody is talked to any more."""
    request = encode({"do": "status", "id": 1})
    assert len(answers(encode(note) + request)) == 1
    assert len(answers(request + encode(note))) <= 2


def test_a_hurry_is_no_request() -> None:
    said = answers(encode({"hurry": 1}) + encode({"do": "status", "id": 7}))
    assert [m.get("id") for m in said] == [None, 7]
