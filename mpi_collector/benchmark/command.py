"""COMMAND: started as if there were no recorder, waited for, its exit code passed on."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from mpi_collector.benchmark.inherited import inherited_files
from mpi_collector.errors import CommandError
from mpi_collector.node.parent import LOOK_S, death_fd
from mpi_collector.transport.death_signal import death_signal
from mpi_collector.transport.limits import inherited_restorer

_SHELL = "/bin/sh"
_FIRST_BYTES = 80  #: of a program, where a shell looks for what is in no text

Setup = Callable[[], object]  #: what a child does between fork and exec


class Command:
    """A running COMMAND with this process's stdout, stderr, further files and, unless ``no_input``,
    stdin.

    Where this process is in the foreground of a terminal, COMMAND is in its process group, and the
    terminal sends both the same signals. Elsewhere it has a group of its own. It gets a SIGTERM
    when this process dies. CommandError if it cannot be started.
    ``fd``: readable once it has ended; -1 where the kernel has no such descriptor, and after
    ``exit_code`` has told the end.
    """

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], no_input: bool = False
    ) -> None:
        own_group = not in_foreground()
        try:
            self._process = _start(list(argv), environ, no_input, _setup(own_group))
        except (OSError, subprocess.SubprocessError) as e:
            raise CommandError(argv[0], _cause(e)) from e
        self.group = self._process.pid if own_group else 0  #: 0: this process's
        self.fd = death_fd(self._process.pid)

    def exit_code(self) -> int | None:
        """Return the exit code, 128 + n after signal n as in a shell; None while COMMAND runs."""
        code = self._process.poll()
        if code is not None and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        return code if code is None or code >= 0 else 128 - code

    @property
    def timeout_s(self) -> float | None:
        """How long to wait for ``fd`` before ``exit_code`` is asked; None: any time."""
        return LOOK_S if self.fd < 0 else None

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        self._process.wait()
        return self.exit_code() or 0

    def signal(self, number: int) -> None:
        """Pass on a signal that this process has got, unless COMMAND got it, too, or has ended."""
        if self._process.poll() is not None:
            return
        if not self.group:
            if not _sent_by_terminal(number):
                self._process.send_signal(number)
            return
        try:
            os.killpg(self.group, number)
        except OSError:  # it has changed its group, or its user
            self._process.send_signal(number)


def in_foreground() -> bool:
    """Return whether this process is in the foreground process group of its terminal."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # it has none
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)


def _sent_by_terminal(number: int) -> bool:
    """Return whether the terminal has sent this signal to COMMAND, which is in our group.

    Its keys do, and so does a terminal that is closed: nobody is in its foreground any more.
    """
    by_key = number in (signal.SIGINT, signal.SIGQUIT)
    return by_key or (number == signal.SIGHUP and not in_foreground())


def ends_programs(number: int) -> bool:
    """Return whether a signal is one by which users and schedulers end a program."""
    return number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _setup(own_group: bool) -> Setup:
    restore = inherited_restorer()
    die = death_signal(signal.SIGTERM)
    parent = os.getpid()
    set_group, get_parent, end = os.setpgid, os.getppid, os._exit

    def setup() -> None:
        if own_group:
            set_group(0, 0)
        die()
        if get_parent() != parent:  # it died before that
            end(1)
        if restore is not None:
            restore()

    return setup


def _start(
    argv: list[str], environ: Mapping[str, str], no_input: bool, setup: Setup
) -> subprocess.Popen[bytes]:
    def start(words: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            executable=program_path(words[0], environ),
            env=environ,
            stdin=subprocess.DEVNULL if no_input else None,
            pass_fds=inherited_files(),
            preexec_fn=setup,
        )

    try:
        return start(argv)
    except OSError as e:
        script = as_script(argv, environ) if e.errno == errno.ENOEXEC else None
        if script is None:
            raise
        return start(script)


def program_path(name: str, environ: Mapping[str, str]) -> str:
    """Return the program that a shell would start for ``name``; ``name`` if there is none.

    The first on PATH counts, also where the kernel then refuses it.
    """
    if "/" in name:
        return name
    return shutil.which(name, path=environ.get("PATH", os.defpath)) or name


def as_script(argv: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the words by which a shell runs a program that is a text without ``#!``.

    None for a program that is no text.
    """
    path = program_path(argv[0], environ)
    try:
        with open(path, "rb") as f:
            first = f.read(_FIRST_BYTES).split(b"\n")[0]
    except OSError:
        return None
    return None if b"\0" in first else [_SHELL, path, *argv[1:]]


def _cause(error: Exception) -> OSError:
    """Return the OSError of a start that has failed."""
    return error if isinstance(error, OSError) else OSError(errno.EAGAIN, str(error))
