"""Readings that block."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator

import pytest

from mpi_collector.node.read import worker
from mpi_collector.node.read.pacing import Throttled
from mpi_collector.node.read.readable import Readable
from mpi_collector.node.read.worker import BlockingReader, call_with_timeout, stuck_in_kernel
from mpi_collector.node.status import SLOW


class Gate(Readable):
    """Answers when it is let; every answer is another one."""

    capacity = 64

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.open, self.asked, self.answers = threading.Semaphore(0), threading.Semaphore(0), 0
        self.now, self.takes_ns = 0, 0

    def first(self) -> bytes:
        return b"first"

    def read(self, view: memoryview) -> int:
        self.asked.release()
        assert self.open.acquire(timeout=30)
        self.answers += 1
        self.now += self.takes_ns
        view[:1] = b"%d" % self.answers
        return 1

    def close(self) -> None:
        pass


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gate, BlockingReader]]:
    inner = Gate(monkeypatch)
    outer = BlockingReader(inner, clock=lambda: inner.now)
    assert outer.first() == b"first"
    yield inner, outer
    inner.open.release(100)
    outer.close()


def ask(outer: BlockingReader) -> bytes | int:
    view = memoryview(bytearray(64))
    n = outer.read(view)
    return bytes(view[:n]) if n >= 0 else n


def test_who_hangs_is_not_waited_for_again(gate: tuple[Gate, BlockingReader]) -> None:
    inner, outer = gate
    assert [ask(outer) for _ in range(5)] == [-SLOW] * 5
    assert inner.asked.acquire(timeout=30)
    assert not inner.asked.acquire(blocking=False)  # asked once
    assert worker.stuck_in_kernel(0)  # and the process is known to have somebody in the kernel
    inner.open.release()
    assert outer.wait(30)
    assert not worker.stuck_in_kernel(0)


def test_an_answer_that_came_after_its_sample_is_not_told(
    gate: tuple[Gate, BlockingReader],
) -> None:
    """It is of then; a new one is asked for."""
    inner, outer = gate
    assert ask(outer) == -SLOW
    inner.takes_ns = 30_000_000
    inner.open.release(2)
    assert outer.wait(30)
    assert ask(outer) == b"2"
    assert outer.cost_ns == 60_000_000  # both are charged


def test_of_a_source_that_is_always_late_the_last_answer_is_told(
    gate: tuple[Gate, BlockingReader],
) -> None:
    inner, outer = gate
    inner.takes_ns = 300_000_000
    for n in (b"1", b"2"):
        assert ask(outer) == -SLOW
        inner.open.release()
        assert outer.wait(30)
        assert ask(outer) == n
        assert outer.cost_ns == inner.takes_ns
    assert inner.answers == 2


def test_what_it_raises_is_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Gate):
        def read(self, view: memoryview) -> int:
            raise PermissionError(13, "no")

    outer = BlockingReader(Broken(monkeypatch))
    outer.first()
    source = Throttled(outer, "x", 1, 0)
    view = memoryview(bytearray(8))
    statuses = {source.read_into(view, t) for t in range(3)}
    assert statuses <= {-2, -SLOW}  # denied
    outer.close()


def test_call_with_timeout() -> None:
    """What the call returns or raises, None too; TimeoutError when it takes too long."""

    def fails() -> None:
        raise PermissionError(errno.EACCES, "no")

    assert call_with_timeout(30, lambda: None, "x") is None
    with pytest.raises(PermissionError):
        call_with_timeout(30, fails, "x")
    over = threading.Event()
    with pytest.raises(TimeoutError, match="the card did not answer within 0.01 s"):
        call_with_timeout(0.01, lambda: over.wait(60), "the card")
    assert stuck_in_kernel(0)
    over.set()
    assert not stuck_in_kernel(30)
