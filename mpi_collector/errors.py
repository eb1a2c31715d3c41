"""Exceptions of this package. A caller who catches CollectorError catches all of them.

``mpi_collector`` exports the public ones: those that ``load``, ``collect`` and the readers raise.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from mpi_collector.node.errors import CollectorError, FrameError, SpoolError

__all__ = [
    "AgentDiedError",
    "CollectorError",
    "CommandError",
    "FrameError",
    "HostNameError",
    "HostsError",
    "LauncherError",
    "MessageError",
    "MissingLibraryError",
    "MissingMPIError",
    "PeerLostError",
    "PeerMessageError",
    "RecordingError",
    "ResultsError",
    "SessionLostError",
    "SharedDirectoryError",
    "SpoolError",
    "TableError",
    "TransportError",
    "UnusableHostsError",
    "WrongMPIError",
]

_PROBLEMS_SHOWN = 20


class RecordingError(CollectorError):
    """A file is not a recording, or is a damaged one. The text names the file and the place."""


class ResultsError(CollectorError):
    """The results directory cannot be used. The text gives the reason and the remedy."""


class SharedDirectoryError(CollectorError):
    """A directory is not the same on all hosts. The text names the hosts and the remedy."""


class MissingLibraryError(CollectorError):
    """An optional library is not installed. The text says how to install it."""


class CommandError(CollectorError):
    """COMMAND cannot be started.

    ``code``: the exit code that a shell returns in this case. ``exhausted``: a limit on processes
    or memory is reached; it could start in place of something else.
    """

    def __init__(self, program: str, error: OSError) -> None:
        super().__init__(
            f"cannot start {program}: {error.strerror}"
            if program
            else "cannot start '': an empty name is no program"
        )
        # 126 also for a script whose interpreter is missing
        found = "/" in program and os.path.exists(program)
        unknown = error.errno == errno.ENOENT and not found
        self.code = 127 if unknown or not program else 126
        self.exhausted = error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class HostsError(CollectorError):
    """The requested hosts are invalid. The text lists all problems with places and remedies."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        hidden = len(self.problems) - _PROBLEMS_SHOWN
        more = [f"and {hidden} more"] if hidden > 0 else []
        super().__init__("\n".join([*self.problems[:_PROBLEMS_SHOWN], *more]))


class HostNameError(CollectorError, ValueError):
    """A host or user name could be taken for an option or for shell text."""


class TransportError(CollectorError):
    """The transport cannot start. The text gives the reason and the remedy."""


class LauncherError(TransportError):
    """No usable MPI launcher."""


class UnusableHostsError(TransportError):
    """A host cannot be recorded, and ``--strict`` requires all of them."""


class WrongMPIError(CollectorError):
    """mpi4py and the launcher do not belong together. The text gives the remedy."""


class MissingMPIError(WrongMPIError):
    """mpi4py cannot be loaded on this host. The text says what is missing, and what to do."""


class BrokenMPIError(WrongMPIError):
    """The MPI library does not connect the ranks. The text says what it gives as the reason."""

    def __init__(self, library: str, error: Exception) -> None:
        super().__init__(
            f"{library} does not connect the ranks ({error}): does another MPI program run on these"
            " hosts? If not, --transport ssh"
        )


class TableError(CollectorError, RuntimeError):
    """The table of a host is not what was announced or agreed on. The text says what is wrong."""


class PeerLostError(CollectorError):
    """A peer rank did not send or receive a message before its deadline."""


class PeerMessageError(PeerLostError):
    """A peer ``rank`` sent something else than the protocol has. The text says what."""

    def __init__(self, rank: int, what: str) -> None:
        super().__init__(f"rank {rank} {what}")
        self.rank = rank
        self.what = what


class SessionLostError(CollectorError, RuntimeError):
    """The session with an agent or a control server ended."""


class MessageError(SessionLostError):
    """The other side of a session sent what the protocol does not have. The text says what."""


class AgentDiedError(SessionLostError):
    """The host answers, but the agent that recorded there no longer exists."""
