"""An event loop in a thread, used by synchronous code."""

from __future__ import annotations

import asyncio
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
