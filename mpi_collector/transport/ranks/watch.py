"""Rank 0 has the other ranks connect their doorbells, and notes which hosts are cut off."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.knobs import doorbells
from mpi_collector.transport.ranks.bell_protocol import pause_ns
from mpi_collector.transport.ranks.bells import Bells
from mpi_collector.transport.ranks.leaders import Leaders

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

_LOOK_NS = 1_000_000_000  #: how often messages of leaders without a doorbell are looked for
_NO_BELL = (
    "no connection to rank 0: each looked for messages of the other all the time, which costs CPU"
)


class Watch:
    """The doorbells of a run.

    ``due_ns``: when rank 0 is to look at MPI although nothing rings.
    """

    def __init__(self, world: World, leaders: Leaders) -> None:
        self._world = world
        self._leaders = leaders
        self._bells: Bells | None = None
        self._looked_ns = mono_ns()
        self._unsent_ns = 0  # since when messages are on their way out; 0: none is

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that are readable when a rank rings, or a connection ends."""
        return (self._bells.fd,) if self._bells is not None else ()

    def open(self, followers: Iterable[int], identities: Mapping[int, Mapping[str, Any]]) -> None:
        """Have the leaders, and as many of ``followers`` as there may be, connect to rank 0.

        In a program of somebody else nobody waits while it runs, so nobody does. ``identities``: of
        the hosts of all ranks.
        """
        ranks = [*self._leaders.alive(), *followers]
        if not self._world.own or not ranks or not doorbells():
            return
        self._world.ringer = self._bells = Bells(self._world)
        for rank, offer in self._bells.open(ranks, identities).items():
            self._world.send(rank, do="bell", **offer.to_dict())

    def started(self) -> None:
        """Note which leaders can be rung; let no rank connect any more from a few seconds on."""
        for rank in self._leaders.alive() if self._world.own else ():
            self._leaders[rank].woken = self._rings(rank)
        if self._bells is not None:
            self._bells.started()

    def turn(self) -> None:
        """Note the hosts whose connection has ended since the last time."""
        self._looked_ns = mono_ns()
        if self._bells is None:
            return
        self._bells.turn()
        for rank, when_ns in self._bells.lost.items():
            host = self._leaders.get(rank)
            if host is not None and host.error is None and not host.cut_off:
                at = time.strftime("%H:%M:%S UTC", time.gmtime(when_ns // 10**9))
                host.cut_off = f"its connection to rank 0 was lost at {at}"

    def due_ns(self) -> int | None:
        looked_ns = self._looked_ns
        due = [self._bells.due_ns(looked_ns)] if self._bells is not None else []
        if not all(self._rings(rank) for rank in self._leaders.alive()):
            due.append(looked_ns + _LOOK_NS)
        if not self._world.unsent():
            self._unsent_ns = 0
        else:
            self._unsent_ns = self._unsent_ns or looked_ns
            due.append(looked_ns + pause_ns(self._unsent_ns, looked_ns))
        return min((d for d in due if d is not None), default=None)

    def remark_on(self, rank: int) -> None:
        """Add what is to be said of the connection of a host that has been recorded."""
        host = self._leaders[rank]
        remark = ""
        if host.cut_off:
            remark = f"{host.cut_off}; it was recorded all the same"
            host.cut_off = ""
        elif self._bells is None or (self._bells.settled and not self._rings(rank)):
            remark = _NO_BELL
        if remark:
            host.ready.setdefault("warnings", []).append(remark)

    def close(self) -> None:
        """Close all connections."""
        self._world.ringer = None
        if self._bells is not None:
            self._bells.close()
            self._bells = None

    def _rings(self, rank: int) -> bool:
        return self._bells is not None and self._bells.is_live(rank)
