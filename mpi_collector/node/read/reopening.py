"""When to open a kernel file again whose object is gone: a device reset, a file system unmounted.

The kernel answers through a descriptor of such a file with an error for ever, also when a file of
the same path is there again.
"""

import errno

#: kernfs: ENODEV; procfs after remove_proc_entry: EIO; a network file system: ESTALE
_GONE = frozenset((errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE, errno.EIO))
_WAIT_MAX = 16  #: readings between two attempts, at most


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
