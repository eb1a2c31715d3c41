"""Messages between the ranks of one launch: ``mpirun -np 4 python -m pytest --with-mpi``.

Every rank runs every test, and all of them go through the same ones in the same order. test_world.py starts them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from mpi4py import MPI

from mpi_collector.errors import BrokenMPIError, PeerLostError, PeerMessageError
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import nap
from mpi_collector.transport.ranks import world as world_module

pytestmark = pytest.mark.mpi
_LIMIT_S = 30.0


@pytest.fixture
def world() -> world_module.World:
    """A World over a communicator of its own; all ranks enter and leave together."""
    MPI.COMM_WORLD.Barrier()
    world = world_module.World(comm=MPI.COMM_WORLD)
    yield world
    assert world.flush(_LIMIT_S)
    MPI.COMM_WORLD.Barrier()
    world.finish(True)


def within(seconds: float, look: Callable[[], object]) -> object:
    """Return the first true value of ``look()``."""
    deadline = mono_ns() + int(seconds * 1e9)
    while mono_ns() < deadline:
        got = look()
        if got:
            return got
        nap(0.001)
    raise AssertionError(f"nothing within {seconds:g} s")


def sender_says(world: world_module.World, sender: int, **message: object) -> None:
    """Assert that the next message from ``sender`` is ``message``."""
    assert within(_LIMIT_S, lambda: world.receive(sender)) == (sender, message)


def test_every_rank_talks_with_rank_0(world: world_module.World) -> None:
    """Rank 0 exchanges messages with all ranks, itself included, at the same time."""
    said = {
        "type": "hello",
        "rank": world.rank,
        "name": "Knötchen",
        "nothing": None,
        "numbers": [1, -(2**63), 0.5],
    }
    world.send(0, **said)
    if world.rank == 0:
        heard = dict(within(_LIMIT_S, world.receive) for _ in range(world.size))
        assert sorted(heard) == list(range(world.size))
        for sender, message in heard.items():
            assert message == dict(said, rank=sender)
            world.send(sender, type="welcome", to=sender)
    sender_says(world, 0, type="welcome", to=world.rank)
    assert world.receive() is None


def test_messages_keep_their_order(world: world_module.World) -> None:
    """Small and large messages from one sender arrive in the order in which they were sent."""
    sizes = [0, 1, 100_000, 10, 3_000_000, 2]
    for size in sizes:
        world.send((world.rank + 1) % world.size, size=size, text="x" * size)
    for size in sizes:
        sender_says(world, (world.rank - 1) % world.size, size=size, text="x" * size)


def test_flush_tells_whether_all_is_out(world: world_module.World) -> None:
    """A message that cannot go before it is received holds flush up, up to its time-out."""
    if world.size == 1:
        pytest.skip("a rank cannot be late for itself")
    if world.rank == 0:
        world.send(1, text="x" * 30_000_000)
        assert not world.flush(0.2)
        MPI.COMM_WORLD.send("take it", 1)
    elif world.rank == 1:
        MPI.COMM_WORLD.recv(source=0)
        sender_says(world, 0, text="x" * 30_000_000)
    assert world.flush(_LIMIT_S)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 123_457])
def test_streams_of_many_chunks(
    world: world_module.World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Rank 0 takes every stream whole and in order, 1,000 bytes in memory at a time."""
    monkeypatch.setattr(world_module, "CHUNK_BYTES", 1000)
    data = {rank: random.Random(rank).randbytes(size) for rank in range(world.size)}
    if world.rank:
        cuts = sorted(random.Random(world.rank).choices(range(size + 1), k=7))
        mine = data[world.rank]
        world.send_stream(0, [mine[a:b] for a, b in zip([0, *cuts], [*cuts, size])], _LIMIT_S)
        return
    for rank in range(1, world.size):
        got = bytearray()
        longest = []

        def take(piece: memoryview, got: bytearray = got, longest: list[int] = longest) -> None:
            got.extend(piece)
            longest.append(len(piece))

        world.receive_stream(rank, size, take, _LIMIT_S)
        assert bytes(got) == data[rank]
        assert max(longest, default=0) <= 1000


def test_large_stream(world: world_module.World) -> None:
    """A stream of 20 MB in chunks of the default size."""
    size, digest = 20_000_000, 0
    if world.rank == world.size - 1 and world.rank:
        world.send_stream(0, [bytes([i]) * 1_000_000 for i in range(20)], _LIMIT_S)
    if world.rank == 0 and world.size > 1:
        sums = []
        world.receive_stream(
            world.size - 1, size, lambda piece: sums.append(sum(piece[::1000])), _LIMIT_S
        )
        digest = sum(sums)
        assert digest > 0
        assert len(sums) == -(-size // world_module.CHUNK_BYTES)


def test_a_silent_peer_is_lost(world: world_module.World) -> None:
    """Receiving from a silent rank ends after its time-out; a late message does no harm."""
    if world.size == 1:
        pytest.skip("needs a peer")
    if world.rank == 0:
        with pytest.raises(PeerLostError, match="rank 1 did not answer"):
            world.receive_stream(1, 10, lambda piece: None, 0.2)
        world.send(1, go=True)
        sender_says(world, 1, done=True)
    elif world.rank == 1:
        sender_says(world, 0, go=True)
        world.send_stream(0, [b"too late!!"], _LIMIT_S)
        world.send(0, done=True)


class _Unconnected:
    """A communicator whose ranks cannot reach each other."""

    def Dup(self) -> object:
        raise MPI.Exception(MPI.ERR_INTERN)


def test_a_library_that_connects_nobody(world: world_module.World) -> None:
    """It is an error for people, with the library's own word for it."""
    with pytest.raises(
        BrokenMPIError, match=r"does not connect the ranks \(MPI_?ERR_INTERN|Internal"
    ):
        world_module.World(comm=_Unconnected())


def test_what_nobody_received_is_gone(world: world_module.World) -> None:
    """What was sent in a recording that is over is not received in the next one of the program."""
    if world.size == 1:
        pytest.skip("needs a peer")
    earlier = world_module.World(comm=MPI.COMM_WORLD)
    if earlier.rank == 1:
        earlier.send(0, late=True)
        earlier.send_blob(0, b"x" * 5000)
    MPI.COMM_WORLD.Barrier()
    earlier.finish(True)
    later = world_module.World(comm=MPI.COMM_WORLD)
    nap(0.1)
    assert later.receive() is None
    later.finish(True)


def test_what_is_no_message(world: world_module.World) -> None:
    """Bytes that are no JSON, too many, or other ones than announced are a failure of their sender.

    Nothing is received into a buffer that is too small, and what comes behind it still arrives.
    """
    if world.size == 1:
        pytest.skip("needs a peer")
    data = [b"{", b" " * (world_module.MESSAGE_MAX + 1), b'{"a": NaN}']
    blobs = {
        world_module._BLOB: b"x" * 5000,
        world_module._DATA: b"x" * 5000,
        world_module._PING: b"x" * 5000,
    }
    if world.rank == 1:
        for text in data:
            world._pending.append(
                (world.comm.Isend([text, MPI.BYTE], 0, world_module._CONTROL), text)
            )
        for tag, text in blobs.items():
            world._pending.append((world.comm.Isend([text, MPI.BYTE], 0, tag), text))
        world.send(0, behind="all of it")
        sender_says(world, 0, taken=True)
        world._pending.clear()  # what nobody receives
    elif world.rank == 0:
        for text in ("no JSON", f"{world_module.MESSAGE_MAX + 1} bytes", "no JSON"):
            with pytest.raises(PeerMessageError, match=text):
                within(_LIMIT_S, world.receive)
        sender_says(world, 1, behind="all of it")
        with pytest.raises(PeerMessageError, match="5000 bytes instead of 100"):
            within(_LIMIT_S, world.receive_blob(1, 100))
        with pytest.raises(PeerMessageError, match="5000 bytes instead of 9000"):
            world.receive_stream(1, 9000, lambda piece: None, _LIMIT_S)
        world.serve_echoes([1], 5, _LIMIT_S)  # a ping that is none: not served
        world.send(1, taken=True)


def test_echoes_of_one_clock(world: world_module.World) -> None:
    """Ranks of one machine share a clock: every echo gives an offset of 0 within its bound."""
    if world.rank == 0:
        world.serve_echoes(range(1, world.size), 25, _LIMIT_S)
        return
    echoes = world.request_echoes(25, _LIMIT_S)
    assert len(echoes) == 25
    for echo in [*[[e] for e in echoes], echoes]:
        _, offset, bound = best_echo(echo)
        assert abs(offset) <= bound


def test_late_answers_are_no_echoes(world: world_module.World) -> None:
    """A late answer is not taken for one to a later echo, whose way it would make too short."""
    if world.size == 1:
        pytest.skip("needs a peer")
    if world.rank == 0:
        sender_says(world, 1, gave_up=True)
        world.serve_echoes([1], 1, 0.5)
        world.send(1, served=True)
        world.serve_echoes([1], 5, _LIMIT_S)
    elif world.rank == 1:
        assert world.request_echoes(5, 0.1) == []
        world.send(0, gave_up=True)
        sender_says(world, 0, served=True)
        echoes = world.request_echoes(5, _LIMIT_S)
        assert len(echoes) == 5
        for sent, root, received in echoes:
            assert sent <= root <= received


def test_silence_ends_the_serving(world: world_module.World) -> None:
    """Rank 0 stops waiting for the pings of a silent rank after the time-out."""
    if world.rank == 0:
        began = mono_ns()
        world.serve_echoes([world.size], 25, 0.3)
        assert mono_ns() - began >= 300_000_000
