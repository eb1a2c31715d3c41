"""A rank whose part has failed: it stays until rank 0 lets it go.

One that left, or ended all ranks, would end the launch, and COMMAND with it. It looks for a message
2.5 times a second, which costs 0.04 % of a core: what failed may be what would wake it.
"""

from __future__ import annotations

import os
import signal

from mpi_collector.node.read.worker import stuck_in_kernel
from mpi_collector.transport.base import nap
from mpi_collector.transport.ranks.world import World

_LOOK_S = 0.4
_REASON_CHARS = 400


def stand_by(world: World, error: Exception) -> bool:
    """Report ``error`` to rank 0 and wait for the end. True when rank 0 has let this rank go."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    try:
        reason = f"{type(error).__name__}: {error}"[:_REASON_CHARS]
        world.send(0, event="its rank", error=reason)
        while os.getppid() == parent:
            got = world.receive(0)
            if got is not None and got[1].get("do") == "exit":
                world.send(0, event="bye", stuck=stuck_in_kernel())
                return True
            if got is None:
                nap(_LOOK_S)
    except Exception:  # noqa: BLE001 - MPI itself has failed: rank 0 notices that this rank is silent
        while os.getppid() == parent:
            nap(_LOOK_S)
    return False
