"""COMMAND as the user gave it, whatever launcher has started this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mpi_collector.benchmark.environment import (
    find_launcher_pid,
    has_no_stdin,
    launcher_environment,
    original_command,
    original_environment,
)
from mpi_collector.benchmark.inherited import inherited_environment
from mpi_collector.benchmark.unrecorded import run_unrecorded
from mpi_collector.transport.launch.detect import Launch


class GivenCommand(NamedTuple):
    """What COMMAND is started with. no_input: its stdin is /dev/null."""

    argv: list[str]
    environ: dict[str, str]
    no_input: bool


def command_as_given(command: Sequence[str], launch: Launch | None) -> GivenCommand:
    """Return COMMAND with the arguments and the environment that the user gave it.

    command: as it has arrived. launch: the launch of which this process is a rank. Where it cannot
    be found out how it was given, it is as it has arrived.
    """
    arrived = GivenCommand(list(command), inherited_environment(), False)
    if launch is None:
        return arrived
    try:
        pid = find_launcher_pid()
        return GivenCommand(
            original_command(command, pid),
            original_environment(arrived.environ, launcher_environment(pid)),
            has_no_stdin(pid),
        )
    except Exception:  # noqa: BLE001 - whatever it is, the job is to be run
        return arrived


def run_without_recording(
    command: Sequence[str], launch: Launch | None, error: Exception, say: Callable[[str], None]
) -> int:
    """Run COMMAND although nothing can be recorded; return its exit code."""
    say(f"warning: the recording failed to start: {type(error).__name__}: {error}")
    say("the job runs unrecorded")
    given = command_as_given(command, launch)
    return run_unrecorded(given.argv, say, given.environ, given.no_input)
