"""Starts the suite with a recording, and where that cannot be prepared, without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.benchmark.suite_installation import suite_program
from mpi_collector.cli.collect import split_command
from mpi_collector.cli.outer_wall import record_or_run
from mpi_collector.formats.suite_command import PROGRAM


def main(words: Sequence[str]) -> int:
    """Run the suite's command and return its exit code. words: of the verb mlpstorage."""
    options, suite = split_command(words)
    prepared: list[Callable[[], int]] = []

    def prepare() -> int:
        from mpi_collector.suite import program  # here: it may be what is broken

        prepared.append(program.prepare(words))
        return OK

    command = [suite_program() or PROGRAM, *suite]
    code = record_or_run(command, "--strict" in options, prepare)
    return prepared[0]() if prepared else code
