"""Work that may hang, done in a child process that can be left behind."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable
from typing import TypeVar, cast

_T = TypeVar("_T")
_READ_BYTES = 1 << 16


def in_child(work: Callable[[], _T], limit_s: float) -> _T:
    """Return what ``work`` returns in a forked child.

    TimeoutError when it takes longer than ``limit_s``: the child is killed, and left behind where
    the kernel does not let it go. OSError with the reason of any other failure. For a process
    without threads only.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    try:
        data = _read(reading, time.monotonic() + limit_s)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, os.WNOHANG)
    succeeded, result = pickle.loads(data)
    if not succeeded:
        raise OSError(result)
    return cast(_T, result)


def _work(work: Callable[[], object], fd: int) -> None:
    """Be the child."""
    try:
        try:
            answer = (True, work())
        except Exception as e:  # noqa: BLE001 - reported by the parent
            answer = (False, f"{type(e).__name__}: {e}")
        with open(fd, "wb") as f:
            pickle.dump(answer, f)
    finally:
        os._exit(0)


def _read(fd: int, until: float) -> bytes:
    """Return all that comes until the other end is closed."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    data = b""
    while True:
        left_s = until - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1e3):
            raise TimeoutError("does not answer")
        more = os.read(fd, _READ_BYTES)
        if not more:
            return data
        data += more
