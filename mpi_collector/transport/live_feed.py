"""Live vectors on the launch side: when they are due, and those that have come (``--live``)."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions

_AFTER_TICK_NS = 500_000_000  #: hosts are asked so long after a tick, or half an interval after it


class Arrived(NamedTuple):
    """A live vector (node/agent/live.py), and when it came, on the monotonic clock."""

    vector: dict[str, Any]
    came_ns: int


class LiveFeed:
    """The vectors of all hosts; filled and emptied from any thread.

    Nothing is due before ``begin``, and nothing without ``live_s``.
    """

    def __init__(self, options: SamplingOptions) -> None:
        self.period_ns = int(options.live_s * 1e9)
        self._interval_ns = options.interval_ns
        self._due_ns: int | None = None
        self._lock = threading.Lock()
        self._arrived: dict[str, Arrived] = {}

    def begin(self, t0_ns: int) -> None:
        """Let vectors be due from tick 0 on; ``t0_ns``: on this process's monotonic clock."""
        if self.period_ns:
            self._due_ns = t0_ns + min(self._interval_ns // 2, _AFTER_TICK_NS)

    def end(self) -> None:
        """Let no vector be due any more."""
        self._due_ns = None

    def due_ns(self) -> int | None:
        """Return when vectors are due; None: never."""
        return self._due_ns

    def is_due(self) -> bool:
        """Return True once a period."""
        now = mono_ns()
        if self._due_ns is None or now < self._due_ns:
            return False
        late = (now - self._due_ns) // self.period_ns
        self._due_ns += (late + 1) * self.period_ns
        return True

    def put(self, key: str, vector: dict[str, Any]) -> None:
        """Take a vector that was checked."""
        with self._lock:
            self._arrived[key] = Arrived(vector, mono_ns())

    def take(self) -> dict[str, Arrived]:
        """Return the vectors that have come since the last time, by host."""
        with self._lock:
            found, self._arrived = self._arrived, {}
        return found
