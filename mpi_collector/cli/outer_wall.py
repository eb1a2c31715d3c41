"""Run COMMAND unrecorded where a verb that records fails unexpectedly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import INCOMPLETE, OK
from mpi_collector.benchmark.given_command import run_without_recording
from mpi_collector.errors import CollectorError
from mpi_collector.transport.launch.detect import Launch


def record_or_run(
    command: Sequence[str],
    strict: bool,
    record: Callable[[], int],
    launch: Launch | None = None,
) -> int:
    """Return what ``record`` returns; where it fails, run ``command`` and return its exit code.

    record: may raise only as long as COMMAND has not started. CollectorError passes through: the
    user must mend it, or --strict forbids the run. So does any error where there is no COMMAND.
    With strict, the exit code of a COMMAND that succeeds without a recording is INCOMPLETE.
    """
    try:
        return record()
    except CollectorError:
        raise
    except Exception as e:
        if not command:
            raise
        return run_unrecorded(command, strict, e, launch)


def run_unrecorded(
    command: Sequence[str], strict: bool, error: Exception, launch: Launch | None = None
) -> int:
    """Run ``command``, say why it is not recorded, and return its exit code.

    With strict, the exit code of a COMMAND that succeeds is INCOMPLETE.
    """
    code = run_without_recording(command, launch, error, print_message)
    return INCOMPLETE if code == OK and strict else code
