"""States of hosts, and packed members on their way into a sink."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.node.table.npy import NpzMember
from mpi_collector.transport.base import HostState, MemberSplitter, run_status, write_host


class Calls:
    """A sink that notes its calls, with the bytes of one member as one call."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []

    def begin_host(self, key: str) -> None:
        self.made.append(("begin_host", key))

    def begin(self, head: dict[str, Any]) -> None:
        self.made.append((head["name"], b""))

    def write(self, data: bytes | memoryview) -> None:
        name, written = self.made.pop()
        self.made.append((name, written + bytes(data)))

    def end_host(self) -> None:
        self.made.append(("end_host", None))

    def drop_host(self) -> None:
        self.made.append(("drop_host", None))


def members() -> list[NpzMember]:
    return [NpzMember("npz", f"a/{n}", [bytes([n]) * size]) for n, size in enumerate((0, 9, 5000))]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_stream_is_split_into_its_members(step: int) -> None:
    """However the stream is cut, each member gets its own bytes."""
    direct, split = Calls(), Calls()
    write_host(direct, "a", members())
    heads = [m.head() for m in members()]
    stream = b"".join(chunk for m in members() for chunk in m.chunks)
    splitter = MemberSplitter(heads, split)
    assert splitter.total == len(stream)
    for at in range(0, len(stream), step):
        splitter.feed(memoryview(stream)[at : at + step])
    assert direct.made == [("begin_host", "a"), *split.made, ("end_host", None)]
    assert len(split.made) == 3


def test_disposable_spools() -> None:
    """A spool is needed as long as it may hold rows that are nowhere else."""
    host = HostState("a", "a", {})
    assert not host.spool_is_disposable  # there may be none
    host.ready = {"rows": 3}
    assert host.spool_is_disposable
    host.sampling = True
    assert not host.spool_is_disposable
    host.collected = True
    assert host.spool_is_disposable


def test_status_counts_those_that_sample() -> None:
    good, lost, silent = (HostState(key, key, {}, sampling=key != "c") for key in "abc")
    lost.mark_lost("gone")
    assert lost.gone and lost.error == "gone"
    status = run_status([good, lost, silent], last_tick=7)
    assert status == {"hosts": 3, "sampling": 1, "last_tick": 7, "missed": 0}
