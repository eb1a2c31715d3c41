"""Exit codes of this program. A verb that records returns the code of COMMAND if COMMAND ran."""

from __future__ import annotations

import signal

OK = 0
FAILED = 1  #: the recording failed and no COMMAND ran
MISTAKE = 2  #: the user must correct something: command line, hosts, directory, file
INCOMPLETE = 3  #: with --strict: COMMAND returned 0, the recording is incomplete

RULE_HOLDS = 1  #: ``compare``: a --fail-if holds
UNDECIDED = 2  #: ``compare``: a --fail-if cannot be decided
HOST_FAILED = 1  #: ``check``: a host cannot be recorded


def killed_by(number: int) -> int:
    """Return the code that a shell gives for a program killed by signal ``number``."""
    return 128 + number


INTERRUPTED = killed_by(signal.SIGINT)  #: by Ctrl-C
