"""What rank 0 of a launch of ours tells while nothing is asked, and the end of the launch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mpi_collector.node.compat import readable
from mpi_collector.node.parent import death_fd
from mpi_collector.transport.base import HostState, Wakes
from mpi_collector.transport.live_feed import LiveFeed

_READ_BYTES = 4096


class Told:
    """Takes events in the loop's thread, and passes them on to the one that polls the transport.

    ``lost``: why the launch has ended, "" while it has not.
    """

    def __init__(self, live: LiveFeed) -> None:
        self._live = live
        self._lock = threading.Lock()
        self._fds: tuple[int, ...] = os.pipe()
        for fd in self._fds:
            os.set_blocking(fd, False)
        self._launcher_fd = -1
        self._stop_requested = False
        self._cut_off: dict[str, str] = {}
        self.lost = ""

    def watch(self, launcher: int) -> None:
        """Wake, too, when process ``launcher`` ends: others may hold its output open."""
        self._launcher_fd = death_fd(launcher)

    def __call__(self, message: dict[str, Any], blob: bytes) -> None:
        del blob
        with self._lock, suppress(OSError):
            if message["event"] == "stop_request":
                self._stop_requested = True
            elif message["event"] == "cut_off":
                self._cut_off[message["key"]] = message["why"]
            elif message["event"] == "live":
                for key, vector in message["vectors"].items():
                    self._live.put(key, vector)
            self._wake()

    def lose(self, why: str) -> None:
        """Take the end of the launch."""
        with self._lock, suppress(OSError):
            self.lost = why
            self._wake()

    def _wake(self) -> None:
        if self._fds:
            os.write(self._fds[1], b"!")

    def wakes(self) -> Wakes:
        """Return what ``take`` waits for."""
        watched = (self._launcher_fd,) if self._launcher_fd >= 0 else ()
        return Wakes((*self._fds[:1], *watched))

    def take(self, hosts: Iterable[HostState]) -> bool:
        """Note what was told of ``hosts``. True when one was asked to stop the run."""
        with self._lock:
            with suppress(OSError):  # nothing has come
                os.read(self._fds[0], _READ_BYTES)
            if self._launcher_fd in readable(self.wakes().fds, 0):
                self.lost = self.lost or "the launcher has ended"
                self._unwatch()
            for host in hosts:
                host.cut_off = self._cut_off.get(host.key, host.cut_off)
            return self._stop_requested

    def _unwatch(self) -> None:
        if self._launcher_fd >= 0:
            os.close(self._launcher_fd)
        self._launcher_fd = -1

    def close(self) -> None:
        """Close the descriptors; what comes later is dropped."""
        with self._lock:
            for fd in self._fds:
                os.close(fd)
            self._fds = ()
            self._unwatch()
