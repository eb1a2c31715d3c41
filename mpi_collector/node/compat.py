"""Clocks and calls under one name for every Python from 3.6 on."""

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

if hasattr(time, "monotonic_ns"):
    mono_ns = time.monotonic_ns
    wall_ns = time.time_ns
    cpu_ns = time.process_time_ns
else:  # Python 3.6: a double still resolves a nanosecond up to 100 days of uptime

    def mono_ns() -> int:
        return int(time.monotonic() * 1e9)

    def wall_ns() -> int:
        return int(time.time() * 1e9)

    def cpu_ns() -> int:
        return int(time.process_time() * 1e9)


class Clock:
    """The clocks that sampling uses, each a function without arguments that returns ns.

    ``mono_ns``: monotonic, ``wall_ns``: UTC since the epoch, ``cpu_ns``: CPU time of this process,
    or of the calling thread.
    """

    __slots__ = ("cpu_ns", "mono_ns", "wall_ns")

    def __init__(
        self,
        mono: "Callable[[], int]" = mono_ns,
        wall: "Callable[[], int]" = wall_ns,
        cpu: "Callable[[], int]" = cpu_ns,
    ) -> None:
        self.mono_ns = mono
        self.wall_ns = wall
        self.cpu_ns = cpu


SYSTEM_CLOCK = Clock()
_POLL_MS_MAX = 1 << 30  #: poll(2) takes an int

if hasattr(os, "preadv"):
    preadv = os.preadv
else:  # Python 3.6

    def preadv(  # type: ignore[misc]
        fd: int, buffers: "list[memoryview]", offset: int, flags: int = 0
    ) -> int:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.readv(fd, buffers)


def readable(fds: "Iterable[int]", timeout_s: "float | None" = None) -> "list[int]":
    """Return the descriptors that can be read without blocking, after ``timeout_s`` at most.

    Very long times are cut short. By poll: select takes no descriptor above 1023.
    """
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    timeout_ms = None if timeout_s is None else min(int(timeout_s * 1e3) + 1, _POLL_MS_MAX)
    return [fd for fd, _event in poll.poll(timeout_ms)]
