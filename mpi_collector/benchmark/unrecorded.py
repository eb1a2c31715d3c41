"""COMMAND without a recording: where none is wanted, and where none could be started."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from mpi_collector.benchmark.command import Command, as_script, program_path
from mpi_collector.benchmark.inherited import inherited_environment
from mpi_collector.benchmark.signals import LeaveNow, Signals
from mpi_collector.benchmark.stop_conditions import StopConditions
from mpi_collector.errors import CommandError
from mpi_collector.transport.limits import inherited_restorer

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # an ignored signal stays ignored after exec


def exec_command(
    command: Sequence[str],
    say: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> int:
    """Replace this process by COMMAND. Return an exit code only if it cannot be started."""
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    if restore := inherited_restorer():
        restore()
    variables = inherited_environment() if environ is None else environ
    try:
        try:
            os.execve(program_path(command[0], variables), list(command), variables)
        except OSError as e:
            script = as_script(command, variables) if e.errno == errno.ENOEXEC else None
            if script is None:
                raise
            os.execve(script[0], script, variables)
    except OSError as e:
        error = CommandError(command[0], e)
        say(str(error))
        return error.code


def run_unrecorded(
    command: Sequence[str],
    say: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
    no_input: bool = False,
) -> int:
    """Run COMMAND without recording it, and pass every signal on; return its exit code.

    Where a limit allows no further process it takes the place of this one.
    """
    with Signals(command=True) as signals:
        variables = inherited_environment() if environ is None else environ
        try:
            process = Command(command, variables, no_input)
        except CommandError as e:
            if e.exhausted:
                return exec_command(command, say, variables)
            say(str(e))
            return e.code
        conditions = StopConditions(signals, command=process)
        while True:
            try:
                conditions.wait_for_command()
                return process.exit_code() or 0
            except LeaveNow:  # there is no recording to leave
                continue
