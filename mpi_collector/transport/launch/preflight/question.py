"""The program that a host runs to answer whether ranks of ours can be started there."""

from __future__ import annotations

import shlex

from mpi_collector._version import __version__
from mpi_collector.transport.failures import BEGIN_MARK
from mpi_collector.transport.own_python import python_argv

#: begins the line of an answer; a version and the identity of the host follow
ANSWER_MARK = "mpi_collector is here"


def check_program() -> list[str]:
    """Return a command that answers for this same interpreter with this same package.

    It imports what a rank imports, and prints one line: the mark, the version, the host's identity.
    """
    program = (
        "import mpi_collector, numpy, mpi4py; "
        "from mpi_collector.node.host.identity import identity, identity_text; "
        f"print({ANSWER_MARK!r}, mpi_collector.__version__, identity_text(identity()))"
    )
    return python_argv(program)


def check_command() -> str:
    """Return ``check_program`` as the command of an ssh session."""
    return f"echo {BEGIN_MARK}; exec {shlex.join(check_program())}"


def reachable_command() -> str:
    """Return a command that any host can answer that ssh gets through to."""
    return f"echo {BEGIN_MARK}; echo '{ANSWER_MARK}' {__version__}"
