"""More open files than the shell allows, where there are thousands of hosts; COMMAND gets back what the user had."""

from __future__ import annotations

import resource
from collections.abc import Callable

_SPARE = 256  #: for everything that is not a connection to a host
_before: list[tuple[int, int]] = []


def raise_open_file_limit(count: int) -> bool:
    """Raise the soft limit of open files to ``count`` and some, as far as it goes. False when it does not go that far."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    reach = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if reach > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
        _before.append((soft, hard))
    return reach == wanted


def restore_user_limits() -> Callable[[], None] | None:
    """What a child has to call before it becomes COMMAND; None when nothing was raised."""
    if not _before:
        return None
    limits, restore = _before[0], resource.setrlimit
    return lambda: restore(resource.RLIMIT_NOFILE, limits)
