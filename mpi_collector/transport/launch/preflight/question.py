"""The program that a host runs to answer whether ranks of ours can be started there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from mpi_collector._version import __version__
from mpi_collector.transport.failures import BEGIN_MARK
from mpi_collector.transport.launch.rank_check import ANSWER_MARK
from mpi_collector.transport.own_python import python_argv

#: begins the line of a version that may be another one than this host's
PACKAGE_MARK = "mpi_collector has version"


def check_program() -> list[str]:
    """Return a command that answers for this same interpreter with this same package.

    It prints the version of the package, and then what ``rank_check.answer`` of this version
    prints.
    """
    return python_argv(
        f"import mpi_collector; print({PACKAGE_MARK!r}, mpi_collector.__version__, flush=True); "
        "from mpi_collector.transport.launch.rank_check import answer; answer()"
    )


def check_command(variables: Mapping[str, str]) -> str:
    """Return ``check_program`` as the command of an ssh session.

    variables: those that a rank there would have from its launcher. Values with a line break are
    left out: a login shell may not take them.
    """
    words = [f"{k}={v}" for k, v in sorted(variables.items()) if "\n" not in v]
    return f"echo {BEGIN_MARK}; exec {shlex.join(['env', *words, *check_program()])}"


def reachable_command() -> str:
    """Return a command that any host can answer that ssh gets through to."""
    return f"echo {BEGIN_MARK}; echo '{ANSWER_MARK}' {__version__}"
