"""What rank 0 of a launch of ours tells while nothing is asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mpi_collector.transport.base import HostState, Wakes

_READ_BYTES = 4096


class Told:
    """Takes events in the loop's thread, and passes them on to the one that polls the transport."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fds: tuple[int, ...] = os.pipe()
        for fd in self._fds:
            os.set_blocking(fd, False)
        self._stop_requested = False
        self._cut_off: dict[str, str] = {}

    def __call__(self, message: dict[str, Any], blob: bytes) -> None:
        del blob
        with self._lock, suppress(OSError):
            if message["event"] == "stop_request":
                self._stop_requested = True
            elif message["event"] == "cut_off":
                self._cut_off[message["key"]] = message["why"]
            if self._fds:
                os.write(self._fds[1], b"!")

    def wakes(self) -> Wakes:
        """Return what ``take`` waits for."""
        return Wakes(self._fds[:1])

    def take(self, hosts: Iterable[HostState]) -> bool:
        """Note what was told of ``hosts``. True when one was asked to stop the run."""
        with self._lock:
            with suppress(OSError):  # nothing has come
                os.read(self._fds[0], _READ_BYTES)
            for host in hosts:
                host.cut_off = self._cut_off.get(host.key, host.cut_off)
            return self._stop_requested

    def close(self) -> None:
        """Close the descriptors; what comes later is dropped."""
        with self._lock:
            for fd in self._fds:
                os.close(fd)
            self._fds = ()
