"""TODO"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.command import Command, forwardable
from mpi_collector.benchmark.signals import Signals
from mpi_collector.node.compat import mono_ns, readable

_LOOK_S = 1.0  #: how often files are looked at and the transport is given its turn


class StopConditions:
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
