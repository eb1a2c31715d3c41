"""What this process changes of what it has inherited, and restores for COMMAND.

The limit on open files is raised for thousands of hosts. SIGCHLD is no longer ignored: the kernel
would throw away the exit codes of ssh and of the launcher (wait(2)).
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable

_SPARE = 256  #: open files beside the connections to hosts
_original: list[tuple[int, int]] = []  #: (soft, hard) before each change
_ignored: list[signal.Signals] = []  #: signals that this process was started to ignore


def raise_open_file_limit(count: int) -> bool:
    """Raise the soft limit on open files to ``count`` plus a reserve, at most to the hard limit.

    Return whether the limit is now high enough.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if possible > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
        _original.append((soft, hard))
    return possible == wanted


def notice_child_exits() -> None:
    """Handle SIGCHLD in the default way if this process was started to ignore it."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _ignored.append(signal.SIGCHLD)


def inherited_restorer() -> Callable[[], None] | None:
    """Return a function that restores what was inherited, None if nothing was changed.

    The child that becomes COMMAND calls it between fork and exec.
    """
    if not _original and not _ignored:
        return None
    # looked up here, since little is safe between fork and exec
    setrlimit, set_signal, ignore = resource.setrlimit, signal.signal, signal.SIG_IGN
    limits, ignored = _original[:1], list(_ignored)

    def restore() -> None:
        for pair in limits:
            setrlimit(resource.RLIMIT_NOFILE, pair)
        for number in ignored:
            set_signal(number, ignore)

    return restore
