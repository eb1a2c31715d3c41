"""The limit on open files: raised for thousands of hosts, restored for COMMAND."""

from __future__ import annotations

import resource
from collections.abc import Callable

_SPARE = 256  #: open files beside the connections to hosts
_original: list[tuple[int, int]] = []  #: (soft, hard) before each change


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


def open_file_limit_restorer() -> Callable[[], None] | None:
    """Return a function that restores the user's limit, None if the limit was never raised.

    The child that becomes COMMAND calls it between fork and exec.
    """
    if not _original:
        return None
    limits = _original[0]
    setrlimit = resource.setrlimit  # looked up here, since little is safe between fork and exec
    return lambda: setrlimit(resource.RLIMIT_NOFILE, limits)
