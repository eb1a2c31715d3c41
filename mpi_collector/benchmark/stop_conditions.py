"""The conditions that end a run, watched while COMMAND runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection

from mpi_collector.benchmark.command import Command, ends_programs
from mpi_collector.benchmark.signals import Signals
from mpi_collector.benchmark.stop_requests import StopRequests
from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.parent import Parent
from mpi_collector.transport.base import Wakes

_STDIN_BYTES = 8192


class StopConditions:
    """Waits for the first condition that ends the run, and passes signals on to COMMAND meanwhile.

    It sleeps until something has happened or is due. signals: those of this process. command: its
    end ends the run. end_ns: monotonic time at which the run ends. requests: of the users of this
    program. read_stdin: a line ``stop`` on stdin ends the run. watch_launcher: the death of the
    parent process ends the run. show: called every ``show_every_s``. say: receives messages for the
    user.
    """

    def __init__(
        self,
        signals: Signals,
        *,
        command: Command | None = None,
        end_ns: int | None = None,
        requests: StopRequests | None = None,
        read_stdin: bool = False,
        watch_launcher: bool = False,
        show: Callable[[], object] = lambda: None,
        show_every_s: float | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._signals = signals
        self._command = command
        self._end_ns = end_ns
        self._requests = requests
        self._stdin_open = read_stdin
        self._stdin_data = b""
        self._parent = Parent() if watch_launcher else None
        self._show = show
        self._show_every_ns = int((show_every_s or 0.0) * 1e9)
        self._show_at_ns = mono_ns() + self._show_every_ns if show_every_s is not None else None
        self._say = say
        self._handled = 0  # number of signals in signals.seen that are dealt with
        self._told_to_end = 0  # number of those by which a program is ended

    def wait(self) -> str:
        """Return what ended the run.

        One of ``command``, ``signal NAME``, ``duration``, ``stdin``, ``request``, ``launcher``.
        """
        ready: list[int] = []
        while True:
            condition = self._condition(ready)
            if condition:
                return condition
            self._show_due()
            wakes = self._requests.wakes() if self._requests is not None else Wakes()
            ready = readable([*self._fds(), *wakes.fds], self._timeout_s(wakes.due_ns))
            if self._signals.fd in ready:
                self._signals.drain()
            if 0 in ready:
                self._read_stdin()

    def _fds(self) -> list[int]:
        """Return the descriptors on which something may arrive that ends the run."""
        parent_fd = self._parent.fd if self._parent is not None else -1
        command_fd = self._command.fd if self._command is not None else -1
        found = [self._signals.fd, parent_fd, command_fd, 0 if self._stdin_open else -1]
        return [fd for fd in found if fd >= 0]

    def wait_for_command(self) -> None:
        """Wait until COMMAND ends, after the recording is over, and pass signals on to it."""
        self._parent = None
        self._stdin_open = False
        while self._command is not None and self._command.exit_code() is None:
            for number in self._signals.seen[self._handled :]:
                self._handled += 1
                self._forward(number)
            if self._signals.fd in readable(self._fds(), self._command.timeout_s):
                self._signals.drain()

    def _timeout_s(self, due_ns: int | None) -> float | None:
        """Return the seconds until something is due; None: nothing is."""
        now = mono_ns()
        times = [t for t in (due_ns, self._end_ns, self._show_at_ns) if t is not None]
        limits = [max(0.0, (t - now) * 1e-9) for t in times]
        looks = [w.timeout_s for w in (self._parent, self._command) if w is not None]
        return min([*limits, *(s for s in looks if s is not None)], default=None)

    def _show_due(self) -> None:
        now = mono_ns()
        if self._show_at_ns is not None and now >= self._show_at_ns:
            self._show_at_ns = now + self._show_every_ns
            self._show()

    def _condition(self, ready: Collection[int]) -> str:
        """Return the condition that holds now, "" while the run goes on.

        ready: the descriptors that are readable.
        """
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
        if self._requests is not None and self._requests.came(ready):
            return "request"
        if b"stop" in self._stdin_data.split(b"\n")[:-1]:
            return "stdin"
        return "launcher" if self._parent is not None and self._parent.is_gone() else ""

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

    def _read_stdin(self) -> None:
        data = os.read(0, 4096)
        self._stdin_data = (self._stdin_data + data)[-_STDIN_BYTES:]
        if not data:
            self._stdin_open = False
