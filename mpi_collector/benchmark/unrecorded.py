"""COMMAND without a recording: where none is wanted, and where none could be had."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.signals import LeaveNow, Signals
from mpi_collector.benchmark.stop_conditions import StopConditions
from mpi_collector.errors import CommandError


def exec_command(command: Sequence[str], say: Callable[[str], None]) -> int:
    """This process is COMMAND from here on; returns an exit code only where it cannot be started."""
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # Python ignores them, and what is ignored stays so
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))
    except OSError as e:
        error = CommandError(command[0], e)
        say(str(error))
        return error.code


def run_unrecorded(command: Sequence[str], say: Callable[[str], None]) -> int:
    """COMMAND beside what is left of an attempt to record it: gets every signal; its exit code."""
    with Signals(command=True) as signals:
        try:
            process = Command(command, dict(os.environ))
        except CommandError as e:
            say(str(e))
            return e.code
        conditions = StopConditions(signals, command=process)
        while True:
            try:
                conditions.wait_for_command()
                return process.exit_code() or 0
            except LeaveNow:  # there is no recording to leave
                continue
