"""All the ways a run ends, in one wait that costs nothing: signals, COMMAND, the clock, stdin, a request in a file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from mpi_collector.benchmark.command import Command, forwardable
from mpi_collector.node.compat import mono_ns, readable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_TWICE_NS = 200_000_000  #: a terminal and a launcher may both pass one Ctrl-C on
_LOOK_S = 1.0  #: how often files are looked at and the transport is given its turn


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


class Ending:
    """``wait()`` returns why the run is over: ``duration``, ``command``, ``signal N``, ``stdin``, ``request``, ``launcher``."""

    def __init__(
        self,
        signals: Signals,
        end_ns: int | None,
        command: Command | None,
        requests: Iterable[Path],
        stdin: bool,
        watch_launcher: bool,
        turn: Callable[[], Any],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.signals, self.end_ns, self.command = signals, end_ns, command
        self.requests, self.turn, self.say = list(requests), turn, say
        self._stdin = stdin
        self._typed = b""
        self._handled = 0
        self._parent = os.getppid() if watch_launcher else None
        self._look_at = mono_ns() + int(_LOOK_S * 1e9)

    def wait(self) -> str:
        while True:
            why = self._why()
            if why:
                return why
            fds = [self.signals.fd] + ([0] if self._stdin else [])
            ready = readable(fds, self._timeout_s())
            if self.signals.fd in ready:
                self.signals.drain()
            if 0 in ready:
                self._read_stdin()

    def outlast(self) -> None:
        """The recording is over: wait for COMMAND, and pass on the signals that still come."""
        while self.command is not None and self.command.exit_code() is None:
            for number in self.signals.seen[self._handled :]:
                self._handled += 1
                self._pass_on(number)
            if readable([self.signals.fd], _LOOK_S):  # a child's end wakes it, too
                self.signals.drain()

    def _timeout_s(self) -> float:
        """Until the next look or the end; a lone local run with nothing to look at still wakes for the launcher's death."""
        until = self._look_at if self.end_ns is None else min(self._look_at, self.end_ns)
        return max(0.0, (until - mono_ns()) * 1e-9)

    def _why(self) -> str:
        if self.command is not None and self.command.exit_code() is not None:
            return "command"
        while self._handled < len(self.signals.seen):
            number = self.signals.seen[self._handled]
            self._handled += 1
            if self._passed_on(number):
                continue
            return f"signal {signal.Signals(number).name}"
        if self.end_ns is not None and mono_ns() >= self.end_ns:
            return "duration"
        if b"stop" in self._typed.split(b"\n")[:-1]:
            return "stdin"
        return self._look() if mono_ns() >= self._look_at else ""

    def _passed_on(self, number: int) -> bool:
        """COMMAND gets the first signal and ends the run by ending; a second one ends it at once."""
        if self.command is None or not forwardable(number):
            return False
        self._pass_on(number)
        if self._handled == 1 and number == signal.SIGINT:
            self.say(
                "Ctrl-C: COMMAND has it; the recording is written when it ends. Once more to leave now"
            )
        return self._handled == 1

    def _pass_on(self, number: int) -> None:
        if (
            self.command is not None
            and forwardable(number)
            and not (number == signal.SIGINT and self.command.in_our_group())
        ):
            self.command.signal(number)

    def _look(self) -> str:
        self._look_at = mono_ns() + int(_LOOK_S * 1e9)
        if self.turn() or any(r.exists() for r in self.requests):
            return "request"
        return "launcher" if self._parent is not None and os.getppid() != self._parent else ""

    def _read_stdin(self) -> None:
        data = os.read(0, 4096)
        self._typed = (self._typed + data)[-8192:]
        if not data:
            self._stdin = False
