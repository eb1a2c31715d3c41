"""A working directory that was removed, in another shell or with the file system it lay on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.transport.launch.detect import may_print

_NEEDS_NONE = {"-h", "--help", "help", "--version"}


class NoWorkingDirectoryError(OSError):
    """A relative path means nothing: the working directory does not exist any more."""

    def __init__(self) -> None:
        super().__init__("the working directory does not exist any more")


def absolute(path: Path) -> Path:
    """Return the path from the root on. NoWorkingDirectoryError."""
    try:
        return path.absolute()
    except FileNotFoundError:
        raise NoWorkingDirectoryError from None


def refuse_without_directory(words: Sequence[str]) -> int | None:
    """Return MISTAKE, and say why, where the working directory has been removed; else None.

    words: of the command line. Those with a COMMAND are not refused: it is run; nor are those that
    a COMMAND without a working directory may use.
    """
    if "--" in words or _NEEDS_NONE.intersection(words) or words[:1] in (["mark"], ["stop"]):
        return None
    try:
        os.getcwd()
    except FileNotFoundError:
        if may_print():
            print_message(f"{NoWorkingDirectoryError()}; change to another one (cd DIR)")
        return MISTAKE
    except OSError:  # one that may not be read
        pass
    return None
