"""COMMAND without a recording: where none is wanted, and where none could be started."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.signals import LeaveNow, Signals
from mpi_collector.benchmark.stop_conditions import StopConditions
from mpi_collector.errors import CommandError
from mpi_collector.transport.limits import inherited_restorer

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # an ignored signal stays ignored after exec


def exec_command(command: Sequence[str], say: Callable[[str], None]) -> int:
    """Replace this process by COMMAND. Return an exit code only if it cannot be started."""
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    if restore := inherited_restorer():
        restore()
    try:
        os.execvp(command[0], list(command))
    except OSError as e:
        error = CommandError(command[0], e)
        say(str(error))
        return error.code


def run_unrecorded(command: Sequence[str], say: Callable[[str], None]) -> int:
    """Run COMMAND after recording it has failed to start; pass every signal on.

    Return its exit code.
    """
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
