"""The death of the process that started this one."""

import os

LOOK_S = 1.0  #: between two looks where the kernel cannot wake this process


class Parent:
    """Tells when the parent of this process has ended.

    ``fd``: readable from then on; -1 where there is none: a kernel before Linux 5.3, or a parent
    outside of this PID namespace.
    ``timeout_s``: how long to wait for ``fd`` at most before ``is_gone`` is asked; None: any time.
    """

    def __init__(self) -> None:
        self.pid = os.getppid()
        self.fd = death_fd(self.pid)

    @property
    def timeout_s(self) -> "float | None":
        return LOOK_S if self.fd < 0 else None

    def is_gone(self) -> bool:
        """Return whether the parent has ended."""
        return os.getppid() != self.pid  # before ``fd`` is readable: exit_notify(), kernel/exit.c

    def close(self) -> None:
        """Close ``fd``; ``is_gone`` still works."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


def death_fd(pid: int) -> int:
    """Return a descriptor that is readable once process ``pid`` has ended; -1: there is none."""
    if pid <= 0 or not hasattr(os, "pidfd_open"):  # Python 3.9
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:  # ENOSYS, or forbidden by a sandbox
        return -1
