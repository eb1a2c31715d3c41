"""Signals that end or disturb a run."""

from __future__ import annotations

import os
import signal
from types import FrameType

from mpi_collector.benchmark.command import forwardable
from mpi_collector.node.compat import mono_ns

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


_TWICE_NS = 200_000_000  #: a terminal and a launcher may both pass one Ctrl-C on


class LeaveNow(BaseException):
    """A second Ctrl-C: nothing is waited for any more, wherever this process is just now."""


class CalledOff(BaseException):
    """A signal that came before COMMAND was started, wherever this process is just now."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{signal.Signals(number).name} came before the job: it is not started")
        self.number, self.code = number, 128 + number


class Signals:
    """Catches the signals that end a run; ``seen`` lists them. A context manager that restores what was there.

    A second SIGINT raises LeaveNow in the main thread, once. ``command``: one will be run; what we were started to ignore
    it ignores too, and between ``alert`` and ``calm`` the first signal that would end it raises CalledOff.
    """

    def __init__(self, command: bool = False) -> None:
        self.seen: list[int] = []
        self._command, self._eager = command, False
        self._interrupted_ns = 0
        self._left = False
        self.fd, self._write = os.pipe()

    def __enter__(self) -> Signals:
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # started by nohup, or by a script that put us in the background: neither we nor COMMAND end with the terminal
        spared = {signal.SIGHUP, signal.SIGINT} if self._command else {signal.SIGHUP}
        caught = [
            n
            for n in (*_SIGNALS, signal.SIGCHLD)
            if n not in spared or signal.getsignal(n) != signal.SIG_IGN
        ]
        self._before = {n: signal.signal(n, self._note) for n in caught}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        self.seen.append(number)
        if number == signal.SIGINT:
            self._interrupt()
        if self._eager and forwardable(number):
            self._eager = False
            raise CalledOff(number)

    def _interrupt(self) -> None:
        now = mono_ns()
        if not self._interrupted_ns:
            self._interrupted_ns = now
        elif now - self._interrupted_ns > _TWICE_NS and not self._left:
            self._left = True
            raise LeaveNow

    def drain(self) -> None:
        os.read(self.fd, 4096)

    def alert(self) -> None:
        """From here on, until ``calm``, nothing need be finished."""
        self._eager = self._command
        self.call_off()

    def calm(self) -> None:
        """From here on signals are noted, and no more."""
        self._eager = False

    def call_off(self) -> None:
        """CalledOff when one has come since that COMMAND would have ended by."""
        number = next((n for n in self.seen if forwardable(n)), 0)
        if number and self._command:
            raise CalledOff(number)
