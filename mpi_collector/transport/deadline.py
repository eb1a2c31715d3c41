"""Time-outs of several steps in all: a slow host has used them up once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mpi_collector.node.compat import mono_ns

HURRIED_S = 2.0  #: for each step once somebody waits for this process to end
CUT_OFF_S = 10.0  #: for the answer of a host to the stop that is probably dead
GIVEN_UP = "given up, since the run was told to end at once"
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


class Hurry:
    """Whether somebody waits for this process to end: then each step has 2 s, and no more."""

    def __init__(self) -> None:
        self._ask: Callable[[], bool] = lambda: False
        self._since_ns = 0  # 0: there is no hurry
        self._step_ns = 0

    def ask_by(self, ask: Callable[[], bool]) -> None:
        """Have ``ask`` tell whether there is a hurry, from now on."""
        self._ask = ask

    def begin_step(self) -> None:
        """Begin a step."""
        self._step_ns = mono_ns()

    @property
    def asked(self) -> bool:
        """True once there is a hurry."""
        if not self._since_ns and self._ask():
            self._since_ns = mono_ns()
        return self._since_ns > 0

    @property
    def over(self) -> bool:
        """True when the time of the step is over, for want of time."""
        if not self.asked:
            return False
        return mono_ns() - max(self._since_ns, self._step_ns) > HURRIED_S * 1e9

    def reason(self, other: str) -> str:
        """Return why a host was not waited for any longer: ``other``, unless there is a hurry."""
        return GIVEN_UP if self.over else other
