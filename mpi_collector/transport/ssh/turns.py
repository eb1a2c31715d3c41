"""How many hosts do the same step at the same time, and what all sessions of a run share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.session import Session

_T = TypeVar("_T")

_CLOCKS_AT_ONCE = 16  #: more at a time would measure the queue of this host instead of the clocks
_TABLES_AT_ONCE = 8


@dataclass(frozen=True)
class SessionSettings:
    """What the sessions to all hosts of a run have in common."""

    options: SamplingOptions
    run: str
    user: str | None
    ssh_timeout_s: float


class SessionLimits:
    """How many hosts do the same step at the same time."""

    def __init__(self, fanout: int) -> None:
        self.start = asyncio.Semaphore(fanout)
        self.clock = asyncio.Semaphore(_CLOCKS_AT_ONCE)
        self.tables = asyncio.Semaphore(_TABLES_AT_ONCE)
        self.sink = asyncio.Lock()  # it takes one host at a time

    async def connect(self, session: Session, timeout_s: float) -> None:
        """Connect.

        A host that does not answer lets the next one start after a tenth of ``timeout_s``.
        """
        await in_turn(self.start, lambda: session.connect(timeout_s), timeout_s / 10)


async def in_turn(
    gate: asyncio.Semaphore, work: Callable[[], Coroutine[Any, Any, _T]], hold_s: float
) -> _T:
    """Return the result of ``work()``, which begins when ``gate`` lets it in.

    It lets the next one in when it is done, or after ``hold_s``: who is slow delays nobody for
    longer.
    """
    async with gate:
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task}, timeout=hold_s)
        except BaseException:
            task.cancel()
            raise
    return await task
