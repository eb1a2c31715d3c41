"""COMMAND: started as if there were no recorder, waited for, its exit code passed on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from mpi_collector.errors import CommandError
from mpi_collector.transport.limits import inherited_restorer


class Command:
    """A running COMMAND with this process's stdout, stderr and, unless ``no_input``, stdin.

    Raises CommandError if it cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], environ: dict[str, str], no_input: bool = False
    ) -> None:
        try:
            self._process = subprocess.Popen(
                list(argv),
                env=environ,
                stdin=subprocess.DEVNULL if no_input else None,
                preexec_fn=inherited_restorer(),
            )
        except OSError as e:
            raise CommandError(argv[0], e) from e

    def exit_code(self) -> int | None:
        """Return the exit code, 128 + n after signal n as in a shell; None while COMMAND runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """Send a signal, unless COMMAND has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def in_our_group(self) -> bool:
        """Return whether the terminal sends COMMAND the same Ctrl-C as this process."""
        try:
            return os.getpgid(self._process.pid) == os.getpgrp() and os.isatty(0)
        except OSError:
            return False


def forwardable(number: int) -> bool:
    """Return whether a signal is passed on to COMMAND."""
    return number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
