"""The limit of open files: raised for thousands of hosts, restored for COMMAND."""

from __future__ import annotations

import resource
from collections.abc import Callable

_SPARE = 256  #: files that are not connections to hosts
_original: list[tuple[int, int]] = []  #: (soft, hard) before each change


def raise_open_file_limit(count: int) -> bool:
    """Raise the soft limit of open files to ``count`` and a reserve, at most to the hard limit.

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


def restore_user_limits() -> Callable[[], None] | None:
    """Return what a child must call before it executes COMMAND, None if no limit was raised."""
    if not _original:
        return None
    limits = _original[0]
    setrlimit = resource.setrlimit  # looked up here, not between fork and exec
    return lambda: setrlimit(resource.RLIMIT_NOFILE, limits)
