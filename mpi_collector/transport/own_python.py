"""Further processes of this interpreter with this package, whatever lies in their directory.

``python -c`` and ``python -m`` look for modules in the working directory first: a file named
``socket.py`` there, in the home directory of a host for instance, would be run in place of the
standard library's.
"""

from __future__ import annotations

import sys
from pathlib import Path

#: the directory that holds this package
PACKAGE_HOME = str(Path(__file__).resolve().parents[2])

_COMMAND_LINE = "from mpi_collector.cli.main import program; program()"


def python_argv(program: str) -> list[str]:
    """Return a command that runs ``program``, which may use ``sys``.

    PYTHONPATH and site directories count; the working directory is taken out of ``sys.path`` before
    anything is imported. This package is found where no directory on the way has one.
    """
    path = f"sys.path[:] = [p for p in sys.path if p]; sys.path.append({PACKAGE_HOME!r})"
    return [sys.executable, "-c", f"import sys; {path}; {program}"]


def own_argv(*words: str) -> list[str]:
    """Return a command that runs this program with ``words`` on its command line."""
    return [*python_argv(_COMMAND_LINE), *words]
