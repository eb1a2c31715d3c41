"""COMMAND: started as if we were not there, waited for, its end passed on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from mpi_collector.errors import CommandError
from mpi_collector.transport.limits import restore_user_limits


class Command:
    """A running COMMAND. It has our stdin, unless there is ``no_input``, our stdout and stderr."""

    def __init__(
        self, argv: Sequence[str], environ: dict[str, str], no_input: bool = False
    ) -> None:
        try:
            stdin = subprocess.DEVNULL if no_input else None
            self._process = subprocess.Popen(
                list(argv), env=environ, stdin=stdin, preexec_fn=restore_user_limits()
            )
        except OSError as e:
            raise CommandError(argv[0], e) from e

    def exit_code(self) -> int | None:
        """None while it runs; as a shell gives it then: 128 + n when signal n killed it."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """Pass a signal on; nothing when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def in_our_group(self) -> bool:
        """True when the terminal sent it the same Ctrl-C as us."""
        try:
            return os.getpgid(self._process.pid) == os.getpgrp() and os.isatty(0)
        except OSError:
            return False


def forwardable(number: int) -> bool:
    return number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
