"""What this program was started with, for COMMAND to have the same: open files, environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

#: names the descriptor by which MPICH's launcher is reached; COMMAND does not get the variable
_LAUNCHER_FILE = "PMI_FD"

#: Python sets it for itself and its children where no locale is set (PEP 538)
_COERCED = "LC_CTYPE"

_files: list[int] = []  #: descriptors above 2 that were open at the start
_added: list[str] = []  #: variables that Python has added to the environment


def note_inherited() -> None:
    """Remember with what this program was started, before it opens or changes anything."""
    _note_files()
    with contextlib.suppress(OSError), open("/proc/self/environ", "rb") as f:
        names = {pair.partition(b"=")[0] for pair in f.read().split(b"\0")}
        if _COERCED in os.environ and _COERCED.encode() not in names:
            _added.append(_COERCED)


def _note_files() -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            # what Python itself has opened is closed on exec; a file that was inherited cannot be
            with contextlib.suppress(OSError):
                if fd > 2 and os.get_inheritable(fd):
                    _files.append(fd)


def inherited_environment() -> dict[str, str]:
    """Return the environment without what Python has added to it."""
    return {name: value for name, value in os.environ.items() if name not in _added}


def inherited_files(environ: Mapping[str, str] = os.environ) -> list[int]:
    """Return the descriptors above 2 that COMMAND inherits: those that were open at the start.

    That of the launcher which started this process is left out.
    """
    launcher = environ.get(_LAUNCHER_FILE, "")
    return [fd for fd in _files if str(fd) != launcher and _is_open(fd)]


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
