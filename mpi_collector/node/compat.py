"""The few calls that Python 3.6 lacks, under one name for every version, and one that select lacks."""

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


if hasattr(os, "preadv"):
    preadv = os.preadv
else:  # Python 3.6

    def preadv(fd: int, buffers: list, offset: int, flags: int = 0) -> int:  # type: ignore[misc]
        os.lseek(fd, offset, os.SEEK_SET)
        return os.readv(fd, buffers)


def readable(fds: "Any", timeout_s: "Any" = None) -> list:
    """Those of ``fds`` that can be read without waiting; select itself takes no descriptor above 1023."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _event in poll.poll(None if timeout_s is None else int(timeout_s * 1e3) + 1)]
