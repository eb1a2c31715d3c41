"""Signals that end a run, and the exceptions by which they interrupt it.

LeaveNow and CancelledBeforeStart derive from BaseException: a signal handler raises them wherever
the main thread is, and no ``except Exception`` on the way may take them for an error of its own.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from mpi_collector.benchmark.command import ends_programs, in_foreground
from mpi_collector.node.compat import mono_ns

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
#: more that would end or stop this process, and that COMMAND is meant by: warnings of schedulers
_OF_COMMAND = (signal.SIGQUIT, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU)
#: job control; in one group with COMMAND the terminal sends them to both
_OF_ITS_GROUP = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
#: of the same signal within this time are one: timeout(1), the terminal and the launcher may each
#: send it to this process and to its group
_BURST_NS = 100_000_000
_SAME_INTERRUPT_NS = 200_000_000


class LeaveNow(BaseException):
    """A second Ctrl-C: stop waiting and leave, without what is not yet gathered."""


class CancelledBeforeStart(BaseException):
    """A signal that arrived before COMMAND was started: COMMAND is not started.

    number: the signal. code: the exit code, 128 + number.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"{name} arrived before the job started: it is not started")
        self.number = number
        self.code = 128 + number


class Signals:
    """Catches the signals that end a run; ``seen`` lists them in order of arrival.

    A context manager that restores the previous handlers. The same signal twice within a tenth of a
    second is one. A second SIGINT raises LeaveNow in the main thread, once.
    command: whether a COMMAND will be started. If so, a signal that this process was started to
    ignore stays ignored, for COMMAND too, and the first signal that would end COMMAND raises
    CancelledBeforeStart between ``allow_cancel`` and ``forbid_cancel``. fd: readable after a signal
    has arrived.
    """

    def __init__(self, command: bool = False) -> None:
        self.seen: list[int] = []
        self._command = command
        self._cancellable = False
        self._interrupted_ns = 0
        self._arrived_ns: dict[int, int] = {}
        self._left = False
        self.fd, self._write = os.pipe()

    def __enter__(self) -> Signals:
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # started by nohup or in the background of a script: neither this process nor COMMAND ends
        # with the terminal
        further = (
            (*_OF_COMMAND, *(() if in_foreground() else _OF_ITS_GROUP)) if self._command else ()
        )
        may_be_ignored = {signal.SIGHUP, *further, *([signal.SIGINT] if self._command else [])}
        caught = [
            n
            for n in (*_SIGNALS, *further, signal.SIGCHLD)
            if n not in may_be_ignored or signal.getsignal(n) != signal.SIG_IGN
        ]
        self._before = {n: signal.signal(n, self._handle) for n in caught}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.fd)
        os.close(self._write)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD or self._is_again(number):
            return
        self.seen.append(number)
        if number == signal.SIGINT:
            self._interrupt()
        if self._cancellable and ends_programs(number):
            self._cancellable = False
            raise CancelledBeforeStart(number)

    def _is_again(self, number: int) -> bool:
        """Return whether the signal is one of a burst, and not its first."""
        now = mono_ns()
        before = self._arrived_ns.get(number)
        self._arrived_ns[number] = now
        return before is not None and now - before < _BURST_NS

    def _interrupt(self) -> None:
        now = mono_ns()
        if not self._interrupted_ns:
            self._interrupted_ns = now
        elif now - self._interrupted_ns > _SAME_INTERRUPT_NS and not self._left:
            self._left = True
            raise LeaveNow

    def drain(self) -> None:
        """Empty ``fd``, so that the next signal makes it readable again."""
        os.read(self.fd, 4096)

    def allow_cancel(self) -> None:
        """From now on a signal raises CancelledBeforeStart; one that has already arrived, too."""
        self._cancellable = self._command
        self.raise_if_cancelled()

    def forbid_cancel(self) -> None:
        """From now on signals are only added to ``seen``."""
        self._cancellable = False

    def raise_if_cancelled(self) -> None:
        """Raise CancelledBeforeStart if a signal has arrived that would have ended COMMAND."""
        number = next((n for n in self.seen if ends_programs(n)), 0)
        if number and self._command:
            raise CancelledBeforeStart(number)
