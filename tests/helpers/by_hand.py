"""A sampler without its thread and without waiting: for what is counted or measured, sample after sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.sample.sampler import TickGrid


class ByHand:
    """In place of a sampler's timer: it samples as fast as it can, in the thread of the caller, when ``run`` asks for it."""

    early_ns = 1 << 62

    def __init__(self, sampler: Any, each: Callable[[], object] = lambda: None) -> None:
        self.sampler, self.each, self._left = sampler, each, 0
        sampler._timer.close()
        sampler._timer = self

    def run(self, samples: int) -> None:
        """So many, of which the last is the one of the stop."""
        self._left = samples
        self.sampler._quit = False
        self.sampler.grid = TickGrid(mono_ns(), 1_000_000_000)
        self.sampler._loop()

    def arm(self, _deadline_ns: int, _period_ns: int) -> bool:
        return True

    def block(self) -> None:
        self.each()
        self._left -= 1
        self.sampler._quit = not self._left

    def close(self) -> None:
        """Nothing to close."""
