"""Where a worker waits for messages of rank 0 without looking for them."""

from __future__ import annotations

import os
import signal

from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.parent import Parent
from mpi_collector.transport.base import nap
from mpi_collector.transport.door import Door
from mpi_collector.transport.ranks.bell import Bell
from mpi_collector.transport.ranks.bell_protocol import Offer, pause_ns
from mpi_collector.transport.ranks.world import World

_PIPE_BYTES = 4096


class Rest:
    """Sleeps until rank 0 rings, a signal arrives or the launcher dies.

    Without a doorbell it sleeps for as long as the caller looks for messages rarely.
    """

    def __init__(self, world: World) -> None:
        self.launcher = Parent()
        self.door = Door()  #: of this host, where ``mpi_collector stop`` rings
        self._world = world
        self._bell: Bell | None = None
        self._signal_fd = -1
        self._awake_ns = 0  #: since when MPI has to be looked at; 0: it has not

    def catch_signals(self) -> None:
        """Let the signals that this process handles end a wait; only in the main thread."""
        self._signal_fd = wakeup_fd()

    def connect(self, offer: Offer) -> None:
        """Begin to connect to rank 0."""
        self._bell = self._world.ringer = Bell(offer, self._world.rank, self._world.sent[0])

    @property
    def is_rung(self) -> bool:
        """True while rank 0 rings when it has sent a message."""
        return self._bell is not None and self._bell.live

    def wait(self, look_s: float, most_s: float | None) -> None:
        """Wait until a message may have come: ``look_s`` unless rank 0 rings.

        ``most_s``: how long to wait at most where it does; None: as long as nothing happens.
        """
        bell = self._bell
        if bell is not None:
            bell.turn()
        if bell is None or not bell.live:
            nap(look_s)
        elif bell.announces(self._world.received[0]) or self._world.unsent():
            now = mono_ns()
            self._awake_ns = self._awake_ns or now
            nap(pause_ns(self._awake_ns, now) * 1e-9)
        else:
            self._awake_ns = 0
            self._sleep(bell, most_s)

    def _sleep(self, bell: Bell, most_s: float | None) -> None:
        wakes = self.door.wakes()
        fds = [bell.fd, self.launcher.fd, self._signal_fd, *wakes.fds]
        limits = [s for s in (most_s, self.launcher.timeout_s) if s is not None]
        if wakes.due_ns is not None:
            limits.append(max(wakes.due_ns - mono_ns(), 0) * 1e-9)
        ready = readable([fd for fd in fds if fd >= 0], min(limits, default=None))
        if self._signal_fd in ready:
            os.read(self._signal_fd, _PIPE_BYTES)

    def close(self) -> None:
        """Close the doorbell and the descriptor of the launcher."""
        self._world.ringer = None
        if self._bell is not None:
            self._bell.close()
        self.launcher.close()
        self.door.close()


def wakeup_fd() -> int:
    """Return a descriptor that is readable after a signal that this process handles.

    Only for the main thread, once a process: the other end of the pipe stays open.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading
