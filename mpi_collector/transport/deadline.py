"""Time-outs of several steps in all: a slow host has used them up once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mpi_collector.node.compat import mono_ns

_LEAST_S = 0.001  #: a wait of 0 s would give up what has arrived already


class Deadline:
    """A moment ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._at_ns = mono_ns() + int(seconds * 1e9)

    @property
    def passed(self) -> bool:
        return mono_ns() >= self._at_ns

    @property
    def left_s(self) -> float:
        """Seconds until then, a millisecond at least."""
        return max((self._at_ns - mono_ns()) * 1e-9, _LEAST_S)


class Allowance:
    """The time that a host may take for several steps in all, ``seconds``.

    Waiting for its turn, while other hosts are busy, is no step.
    """

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds

    @contextmanager
    def step(self) -> Iterator[Deadline]:
        """Take the time until the end of the ``with`` block; yield when it has to end."""
        began_ns = mono_ns()
        try:
            yield Deadline(self._left_s)
        finally:
            self._left_s -= (mono_ns() - began_ns) * 1e-9
