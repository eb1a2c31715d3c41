"""A timer that does not sleep: for samples that are counted or measured one after the other."""

from __future__ import annotations

from collections.abc import Callable

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.sample.sampler import Sampler, TickGrid

INTERVAL_NS = 1_000_000_000


class ByHand:
    """A Timer with which a Sampler samples as fast as it can, in the thread that calls ``run``.

    ``each`` is called before every sample.
    """

    early_ns = 1 << 62

    def __init__(self, each: Callable[[], object] = lambda: None) -> None:
        self.each = each
        self._left = 0
        self._grid = TickGrid(0, INTERVAL_NS)

    def run(self, sampler: Sampler, samples: int) -> None:
        """Take so many samples with ``sampler``, whose timer this is.

        The last is the one of the stop.
        """
        self._left = samples
        self._grid = TickGrid(mono_ns(), INTERVAL_NS, end_ns=int(samples == 1))
        sampler.sample(self._grid)

    def arm(self, _deadline_ns: int, _period_ns: int) -> bool:
        return True

    def block(self) -> None:
        self.each()
        self._left -= 1
        if self._left == 1:
            self._grid.end_ns = 1  # in the past: the next sample is the last

    def wake(self) -> None:
        """No-op: it never sleeps."""

    def close(self) -> None:
        """No-op: it holds no descriptor."""
