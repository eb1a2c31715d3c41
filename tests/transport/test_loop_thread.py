"""An event loop in a thread, used by synchronous code."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from mpi_collector.transport.loop_thread import LoopThread


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def fail() -> None:
    raise KeyError("x")


def test_results_and_exceptions_come_back() -> None:
    """Work is done in the thread of the loop; what it returns or raises reaches the caller."""
    loop = LoopThread("the loop")
    assert loop.run(thread_name()) == "the loop"
    with pytest.raises(KeyError):
        loop.run(fail())
    called = threading.Event()
    loop.call_soon(called.set)
    assert called.wait(30)
    loop.close()


def test_closed() -> None:
    """After ``close`` nothing is waited for that nobody would run."""
    loop = LoopThread("the loop")
    loop.close()
    loop.close()
    assert not loop.alive
    with pytest.raises(RuntimeError, match="the sessions have ended"):
        loop.run(thread_name())


class Interrupted(BaseException):
    """Raised by a signal handler."""


def test_a_signal_that_another_thread_receives() -> None:
    """Its handler runs in the main thread at once, and what it raises ends the wait."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    loop = LoopThread("the loop")
    try:
        done = threading.Event()

        async def work() -> str:
            await asyncio.sleep(0.3)  # the main thread waits by then
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            await asyncio.sleep(30)
            done.set()
            return "not interrupted"

        with pytest.raises(Interrupted):
            loop.run(work())
        assert not done.is_set()
    finally:
        signal.signal(signal.SIGUSR1, before)
        loop.close()


def test_a_time_out_of_the_work_is_raised() -> None:
    """A TimeoutError of the work is not taken for one of the wait."""

    async def too_late() -> None:
        raise TimeoutError("of the work")

    loop = LoopThread("the loop")
    with pytest.raises(TimeoutError, match="of the work"):
        loop.run(too_late())
    loop.close()
