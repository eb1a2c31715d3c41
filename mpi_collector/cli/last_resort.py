"""COMMAND, where this program cannot be loaded: it needs nothing of ours."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import FAILED, OK
from mpi_collector.transport.launch.detect import detect

_NOT_TO_BE_RUN = {"-h", "--help", "--what-if", "--dry-run"}

_SUITE = "mlpstorage"  #: verb whose words behind "--" are those of the program of this name


def run_job_alone(words: Sequence[str], error: Exception) -> int:
    """Run the COMMAND of a command line that nothing else can be done with.

    Return its exit code; FAILED when there is no COMMAND. Of several ranks the first one runs it.
    """
    traceback.print_exception(error)
    at = list(words).index("--") if "--" in words else len(words)
    command = list(words[at + 1 :])
    if command and words[0] == _SUITE:
        command.insert(0, _suite_program())
    if not command or _NOT_TO_BE_RUN.intersection(words[:at]):
        return FAILED
    launch = detect()
    if launch is not None and launch.rank:
        return OK
    try:
        from mpi_collector.benchmark.given_command import run_without_recording
    except Exception:  # noqa: BLE001 - as broken as the rest
        print_message("the job runs unrecorded")
        os.execvp(command[0], command)
    return run_without_recording(command, launch, error, print_message)


def _suite_program() -> str:
    """Return the suite's program: of this interpreter, else what the PATH has."""
    beside = os.path.join(os.path.dirname(sys.executable), _SUITE)
    return beside if os.path.exists(beside) else _SUITE
