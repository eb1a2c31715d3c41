"""When to look again for what is new, was not there at the start, or is gone.

What a kernel file describes may go: a device is reset, a file system unmounted. The kernel answers
with an error through a descriptor of such a file for ever, also when the path is there again.
"""

import errno

from ..compat import mono_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: kernfs: ENODEV; procfs after remove_proc_entry: EIO; network file systems: ESTALE; FUSE: ENOTCONN
_GONE = frozenset(
    (errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE, errno.EIO, errno.ENOTCONN)
)
_WAIT_MAX = 16  #: readings between two attempts, at most
_RELIST_MAX = 256  #: readings between two listings, at most


def is_gone(error: OSError) -> bool:
    """Return whether an error of reading may mean that what the file described is gone."""
    return error.errno in _GONE


class ReopeningPace:
    """Attempts at the reading after a failure, then after 2, 4, 8 and every 16 more.

    What fails again soon after it was opened is not attempted sooner for that: the wait begins anew
    only after as many readings without a failure. ``waiting``: something failed and has not been
    opened again.
    """

    def __init__(self) -> None:
        self.waiting = False
        self._wait = 1  # readings until the next attempt
        self._passed = 0  # readings since the failure, the last attempt, or the success

    def failed(self) -> None:
        """Begin to wait, unless that is so already."""
        if not self.waiting:
            self.waiting = True
            self._passed = 0

    def due(self) -> bool:
        """Return whether to attempt at this reading; asked once a reading."""
        self._passed += 1
        if self._passed < (self._wait if self.waiting else _WAIT_MAX):
            return False
        self._passed = 0
        self._wait = min(2 * self._wait, _WAIT_MAX) if self.waiting else 1
        return self.waiting

    def succeeded(self) -> None:
        """End the wait."""
        if self.waiting:
            self.waiting = False
            self._passed = 0


class ListingPace:
    """Listings after 1, 2, 4, ... readings, then every 256; and after a time, where one is set.

    ``seconds``: this time, 0: none. ``clock``: monotonic nanoseconds.
    """

    def __init__(self, seconds: float = 0, clock: "Callable[[], int]" = mono_ns) -> None:
        self._limit_ns = int(seconds * 1e9)
        self._clock = clock
        self._readings = 0
        self._next = 1
        self._listed_ns = clock()

    def due(self) -> bool:
        """Return whether to list at this reading; asked once a reading."""
        self._readings += 1
        if self._readings >= self._next:
            self._next = min(2 * self._readings, self._readings + _RELIST_MAX)
        elif not self._limit_ns or self._clock() - self._listed_ns < self._limit_ns:
            return False
        self._listed_ns = self._clock()
        return True
