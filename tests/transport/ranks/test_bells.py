"""The doorbells between a worker and rank 0: who gets one, what it says, and what strangers can do."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.host.identity import identity
from mpi_collector.transport.ranks import bells as bells_module
from mpi_collector.transport.ranks.bell import Bell
from mpi_collector.transport.ranks.bell_protocol import HELLO, Counts, Offer, pause_ns
from mpi_collector.transport.ranks.bells import Bells

RANKS = 8
_TURNS = 5000


class World:
    """Counts of messages that rank 0 has sent and received."""

    def __init__(self) -> None:
        self.sent: Counter[int] = Counter()
        self.received: Counter[int] = Counter()


@pytest.fixture
def bells() -> Iterator[Any]:
    world: Any = World()
    made = Bells(world)
    made.world = world  # type: ignore[attr-defined]
    yield made
    made.close()


def offers(bells: Bells) -> dict[int, Offer]:
    return bells.open(range(1, RANKS + 1), dict.fromkeys(range(RANKS + 1), identity()))


def turn(bells: Bells, *bell: Bell) -> None:
    """Both sides have something to do once more, if anything has arrived."""
    readable([bells.fd, *(b.fd for b in bell if b.live)], 0.001)
    bells.turn()
    for b in bell:
        b.turn()


def until(bells: Bells, done: Any, *bell: Bell) -> None:
    for _ in range(_TURNS):
        if done():
            return
        turn(bells, *bell)
    raise AssertionError("nothing came of it")


def connected(bells: Bells, rank: int, offer: Offer) -> Bell:
    bell = Bell(offer, rank)
    until(bells, lambda: bell.live and bells.is_live(rank), bell)
    return bell


def test_both_sides_are_told_of_messages(bells: Any) -> None:
    """A ring wakes the other side, which looks until it has received what was announced."""
    bells.world.sent[3] = 2  # before the bell was there
    bell = connected(bells, 3, offers(bells)[3])
    until(bells, lambda: bell.announces(1), bell)
    assert not bell.announces(2)
    for count in (3, 4):
        bells.ring(3, count)
    until(bells, lambda: bell.announces(3), bell)
    assert not bell.announces(4)
    assert not readable([bell.fd], 0)  # nothing is left that would wake it
    now = mono_ns()
    assert (bells.due_ns(now) or now + 10**9) > now + 5 * 10**8
    bell.ring(0, 1)
    assert readable([bells.fd], 5)
    bells.turn()
    assert bells.due_ns(now) <= now + 5 * 10**8  # its message is to come
    bells.world.received[3] = 1
    assert (bells.due_ns(now) or now + 10**9) > now + 5 * 10**8
    bell.close()


def test_a_worker_relies_on_no_bell_that_rank_0_does_not_ring(bells: Any) -> None:
    """Rank 0 may be busy at any moment: what it sends before it has turned once more is not rung."""
    bell = Bell(offers(bells)[1], 1)
    for _ in range(_TURNS):
        bell.turn()
        if bell.live:
            break
        if not bells.is_live(1):
            bells.ring(1, 1)  # as World.send does
            bells.world.sent[1] = 1
        bells.turn()
    assert bells.is_live(1)
    assert bell.announces(0)
    bell.close()


def test_the_end_of_a_connection_is_known(bells: Any) -> None:
    """The end of file wakes rank 0, which rings that rank no more; and the other way round."""
    found = offers(bells)
    first, second = connected(bells, 1, found[1]), connected(bells, 2, found[2])
    first.close()
    until(bells, lambda: bells.lost, second)
    assert list(bells.lost) == [1]
    bells.ring(1, 5)
    assert bells.is_live(2)
    bells.close()
    assert readable([second.fd], 5) == [second.fd]
    second.turn()
    assert second.over
    assert not second.live


def test_nobody_is_let_in_after_the_start(bells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells_module, "_OPEN_NS", 0)
    offer = offers(bells)[1]
    bells.started()
    until(bells, lambda: bells.settled)
    bell = Bell(offer, 1)
    bell.turn()
    assert not bell.live
    assert bells.due_ns(mono_ns()) is None


def test_the_door_is_closed_once_everybody_is_in(bells: Any) -> None:
    found = offers(bells)
    all_in = [connected(bells, rank, offer) for rank, offer in found.items()]
    until(bells, lambda: bells.settled, *all_in)
    for bell in all_in:
        bell.close()


def hello(offer: Offer, rank: int, token: bytes | None = None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", offer.port))
    sock.sendall(HELLO.pack(offer.token if token is None else token, rank))
    return sock


@pytest.mark.parametrize(
    ("rank", "wrong"), [(1, True), (0, False), (99, False), (2**32 - 1, False)]
)
def test_who_is_not_expected_is_sent_away(bells: Any, rank: int, wrong: bool) -> None:
    """A wrong token, a rank that gets no bell."""
    offer = offers(bells)[1]
    sock = hello(offer, rank, bytes(32) if wrong else None)
    until(bells, lambda: readable([sock.fileno()], 0))
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass
    assert not bells.is_live(rank)
    sock.close()


def test_a_rank_has_one_bell(bells: Any) -> None:
    """A second one with the token takes nothing from the first."""
    offer = offers(bells)[1]
    bell = connected(bells, 1, offer)
    sock = hello(offer, 1)
    until(bells, lambda: readable([sock.fileno()], 0))
    assert sock.recv(1) == b""
    bells.ring(1, 7)
    until(bells, lambda: bell.announces(6), bell)
    sock.close()
    bell.close()


def test_strangers_hold_up_nobody(bells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage, silence, many at once: an honest rank gets its bell, and no stranger stays."""
    monkeypatch.setattr(bells_module, "_HELLO_NS", 200_000_000)
    offer = offers(bells)[5]
    dice = random.Random(5)
    strangers = []
    for _ in range(300):
        sock = socket.create_connection(("127.0.0.1", offer.port))
        what = dice.randrange(4)
        if what:  # 0: says nothing
            size = (0, dice.randrange(1, HELLO.size), HELLO.size, 5000)[what]
            data = offer.token[:-1] if what == 1 else b""
            sock.sendall((data + dice.randbytes(size))[: max(size, 1)])
        strangers.append(sock)
        bells.turn()
        assert len(bells._strangers()) <= bells_module._STRANGERS_MOST
    bell = connected(bells, 5, offer)
    until(bells, lambda: not bells._strangers(), bell)
    bells.ring(5, 1)
    until(bells, lambda: bell.announces(0), bell)
    for sock in strangers:
        sock.close()
    bell.close()


def test_strangers_without_end_close_the_door(bells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks that are not in by then look for messages as without a doorbell."""
    monkeypatch.setattr(bells_module, "_FAILED_MOST", 20)
    offer = offers(bells)[1]
    tries = []
    for _ in range(200):
        try:
            tries.append(hello(offer, 1, bytes(32)))
        except OSError:
            break
        turn(bells)
    assert bells.settled
    for sock in tries:
        sock.close()


@pytest.mark.parametrize("answer", [b"", bytes(32), b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_another_program_is_not_believed(answer: bytes) -> None:
    """At an address of rank 0 that is this host's own, something else may listen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        offer = Offer(["127.0.0.1"], listener.getsockname()[1], bytes(32), b"r" * 32)
        bell = Bell(offer, 1)
        sock, _ = listener.accept()
        sock.sendall(answer)
        for _ in range(5):
            readable([], 0.01)
            bell.turn()
        assert not bell.live
        sock.close()
        for _ in range(_TURNS):
            if bell.over:
                break
            bell.turn()
            readable([], 0.001)
        assert bell.over


@pytest.mark.parametrize(
    "addresses",
    [[], ["127.0.0.1"], ["no address"], ["fe80::1"], ["::1", "127.0.0.1"], ["300.1.1.1"], ["\0"]],
)
def test_an_address_that_leads_nowhere(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bell, and no error."""
    monkeypatch.setattr("mpi_collector.transport.ranks.bell._CONNECT_NS", 0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    bell = Bell(Offer(addresses, port, bytes(32), bytes(32)), 1)
    bell.turn()
    readable([], 0.01)
    bell.turn()
    assert bell.over
    bell.ring(0, 1)


def test_counts_in_any_pieces() -> None:
    """Counts arrive cut anywhere, several at once, and wrap around."""
    data = b"".join(n.to_bytes(4, "big") for n in (1, 2, 3, 2**32 - 1, 1))
    for step in range(1, len(data)):
        counts = Counts()
        for at in range(0, len(data), step):
            counts.feed(data[at : at + step])
        assert counts.newest == 1
    assert counts.missing(0)
    assert not counts.missing(1)
    assert counts.missing(2**32 - 1)


def test_pauses_grow_with_the_wait() -> None:
    """A message that was announced is looked for often at first, and never less than without a bell."""
    waited = [10**n for n in range(12)]
    pauses = [pause_ns(0, now) for now in waited]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 2_000_000
    assert pauses[-1] <= 500_000_000
