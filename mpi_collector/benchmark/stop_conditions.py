"""The conditions that end a run, watched while COMMAND runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from mpi_collector.benchmark.command import Command, ends_programs
from mpi_collector.benchmark.keeper.client import Keeper
from mpi_collector.benchmark.signals import Signals
from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.transport.base import Wakes

_LOOK_S = 1.0  #: interval at which files and the launcher are checked
_STDIN_BYTES = 8192


class StopConditions:
    """Waits for the first condition that ends the run, and passes signals on to COMMAND meanwhile.

    signals: those of this process. command: its end ends the run. end_ns: monotonic time at which
    the run ends.
    stop_file: its existence ends the run, and so does a request that ``keeper`` finds. read_stdin:
    a line ``stop`` on stdin ends the run. watch_launcher: the death of the parent process ends the
    run. poll: called as ``wakes`` says, a true value ends the run. show: called about once a
    second. say: receives messages for the user.
    """

    def __init__(
        self,
        signals: Signals,
        *,
        command: Command | None = None,
        end_ns: int | None = None,
        stop_file: str = "",
        keeper: Keeper | None = None,
        read_stdin: bool = False,
        watch_launcher: bool = False,
        wakes: Callable[[], Wakes] = Wakes,
        poll: Callable[[], bool | None] = lambda: None,
        show: Callable[[], object] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._signals = signals
        self._command = command
        self._end_ns = end_ns
        self._stop_file = stop_file
        self._keeper = keeper
        self._stdin_open = read_stdin
        self._stdin_data = b""
        self._parent = os.getppid() if watch_launcher else None
        self._wakes = wakes
        self._poll = poll
        self._is_woken = False  # one of the descriptors of ``wakes`` is readable
        self._show = show
        self._say = say
        self._handled = 0  # number of signals in signals.seen that are dealt with
        self._told_to_end = 0  # number of those by which a program is ended
        self._look_at_ns = mono_ns() + int(_LOOK_S * 1e9)

    def wait(self) -> str:
        """Return what ended the run.

        One of ``command``, ``signal NAME``, ``duration``, ``stdin``, ``request``, ``launcher``.
        """
        while True:
            condition = self._condition()
            if condition:
                return condition
            wakes = self._wakes()
            ready = readable([*self._fds(), *wakes.fds], self._timeout_s(wakes.due_ns))
            self._is_woken = not set(wakes.fds).isdisjoint(ready)
            if self._signals.fd in ready:
                self._signals.drain()
            if 0 in ready:
                self._read_stdin()

    def _fds(self) -> list[int]:
        """Return the descriptors on which something may arrive that ends the run."""
        fds = [self._signals.fd] + ([0] if self._stdin_open else [])
        return fds + (
            [self._keeper.fd] if self._keeper is not None and self._keeper.fd >= 0 else []
        )

    def wait_for_command(self) -> None:
        """Wait until COMMAND ends, after the recording is over, and pass signals on to it."""
        while self._command is not None and self._command.exit_code() is None:
            for number in self._signals.seen[self._handled :]:
                self._handled += 1
                self._forward(number)
            if readable([self._signals.fd], _LOOK_S):  # SIGCHLD wakes it, too
                self._signals.drain()

    def _timeout_s(self, poll_at_ns: int | None) -> float:
        """Return the seconds until the next check, poll or the end of the run."""
        until = min(t for t in (self._look_at_ns, self._end_ns, poll_at_ns) if t is not None)
        return max(0.0, (until - mono_ns()) * 1e-9)

    def _condition(self) -> str:
        """Return the condition that holds now, "" while the run goes on."""
        if self._command is not None and self._command.exit_code() is not None:
            return "command"
        while self._handled < len(self._signals.seen):
            number = self._signals.seen[self._handled]
            self._handled += 1
            if self._left_to_command(number):
                continue
            return f"signal {signal.Signals(number).name}"
        if self._end_ns is not None and mono_ns() >= self._end_ns:
            return "duration"
        if self._keeper is not None and self._keeper.stop_requested():
            return "request"
        if b"stop" in self._stdin_data.split(b"\n")[:-1]:
            return "stdin"
        if self._is_poll_due() and self._poll():
            return "request"
        return self._looked() if mono_ns() >= self._look_at_ns else ""

    def _is_poll_due(self) -> bool:
        due_ns = self._wakes().due_ns
        return self._is_woken or (due_ns is not None and mono_ns() >= due_ns)

    def _left_to_command(self, number: int) -> bool:
        """Pass a signal on to COMMAND. Return whether the run goes on until COMMAND ends.

        It does after the first signal that ends programs; a second one ends the run.
        """
        if number == signal.SIGUSR1:
            return False
        self._forward(number)
        if not ends_programs(number):
            return True
        if self._command is None:
            return False
        self._told_to_end += 1
        if self._told_to_end == 1 and number == signal.SIGINT:
            self._say(
                "Ctrl-C was passed on to COMMAND; the recording is written when COMMAND ends."
                " Press Ctrl-C again to leave now"
            )
        return self._told_to_end == 1

    def _forward(self, number: int) -> None:
        """Pass a signal on to COMMAND; stop with it."""
        if self._command is None or number == signal.SIGUSR1:
            return
        self._command.signal(number)
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _looked(self) -> str:
        """Check what has no file descriptor to wait on."""
        self._look_at_ns = mono_ns() + int(_LOOK_S * 1e9)
        self._show()
        # os.path.exists: what cannot be looked at is not there, whatever the error
        if os.path.exists(self._stop_file):
            return "request"
        return "launcher" if self._parent is not None and os.getppid() != self._parent else ""

    def _read_stdin(self) -> None:
        data = os.read(0, 4096)
        self._stdin_data = (self._stdin_data + data)[-_STDIN_BYTES:]
        if not data:
            self._stdin_open = False
