"""Rank 0 lets the workers leave, and waits for their last messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.read.worker import stuck_in_kernel
from mpi_collector.transport.base import nap
from mpi_collector.transport.ranks.inbox import Inbox

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

_FLUSH_S = 2.0
_BYE_S = 5.0


def bye_s(options: SamplingOptions) -> float:
    """Return how long to wait for the last messages of the workers, seconds."""
    # a worker that makes a backup says bye when it is made
    return options.gather_timeout_s if options.rescue_dir else _BYE_S


def refuse(options: SamplingOptions, world: World, why: str = "") -> bool:
    """Release every rank, whether or not it has said hello: nothing will be recorded any more.

    True when none is missing.
    """
    inbox = Inbox(world, lambda rank, error: None)
    limit_s = options.start_timeout_s + bye_s(options)
    return release(world, inbox, range(1, world.size), limit_s, why)


def release(
    world: World, inbox: Inbox, ranks: Iterable[int], timeout_s: float, why: str = ""
) -> bool:
    """Let every rank leave; True when all of ``ranks`` said bye in time, and can end.

    ``why``: set when nothing was recorded. What the ranks sent before their bye is received, too:
    MPICH complains of messages that were never received, on COMMAND's stdout.
    """
    for rank in range(1, world.size):
        world.send(rank, do="exit", why=why)
    left = set(ranks)
    stuck = stuck_in_kernel()
    deadline = mono_ns() + int(timeout_s * 1e9)
    while left and mono_ns() < deadline:
        inbox.receive_all()
        byes = inbox.newest("bye")
        left -= byes.keys()
        stuck = stuck or any(bye["stuck"] for bye in byes.values())
        nap(0.001)
    return world.flush(_FLUSH_S) and not left and not stuck
