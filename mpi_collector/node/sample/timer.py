"""Sleeping until absolute deadlines on the monotonic clock, and being woken early.

A periodic timerfd needs one read per tick and no arithmetic; where there is none (no ctypes, an odd libc), poll on a
pipe does. Neither depends on the wall clock, unlike a lock with a time-out before Python 3.11.
"""

import functools
import os
import select
import threading

from ..compat import mono_ns

_NS = 1000000000
_MS = 1000000
_EARLY_NS = 50000  #: a wake-up that is early by less than this counts
_TRIES = 5


class SelectTimer:
    """``arm(deadline, period)``, then ``block()`` returns at the deadline, at the next call a period later and so on; at once,
    and for good, when ``wake()`` was called.

    All times are monotonic ns. ``arm`` returns False when the timer should be set again before it is relied on once more. A
    ``block`` may end up to ``early_ns`` early, or by more when the clock is slewed.
    """

    early_ns = _EARLY_NS

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._poll = select.poll()  # select itself takes no descriptor above 1023
        self._poll.register(self._read, select.POLLIN)
        self._deadline = self._period = 0

    def arm(self, deadline_ns: int, period_ns: int) -> bool:
        self._deadline, self._period = deadline_ns, period_ns
        return True

    def block(self) -> None:
        deadline_ns = self._deadline
        while True:
            now = mono_ns()
            if now >= deadline_ns or self._poll.poll((deadline_ns - now) // _MS):
                self._deadline = deadline_ns + self._period
                return
            rest = deadline_ns - mono_ns()
            if 0 < rest < _MS:  # poll counts in whole milliseconds
                select.select((), (), (), rest * 1e-9)

    def wake(self) -> None:
        os.write(self._write, b"x")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class TimerFd:
    """The same over a timerfd that fires by itself every period; ``block`` is a single C call.

    OSError or AttributeError from the constructor where timerfd is not to be had.
    """

    early_ns = _EARLY_NS

    def __init__(self) -> None:
        self._set, self._fd = _timerfd()
        self._lock = threading.Lock()
        self._woken = False
        self.block = functools.partial(os.read, self._fd, 8)
        self.arm(mono_ns() + 1000, 0)  # proves that arming works before anything relies on it
        self.block()

    def arm(self, deadline_ns: int, period_ns: int) -> bool:
        with self._lock:
            if self._woken:
                return False
            exact = False
            for _ in range(_TRIES):
                # relative, because a faked monotonic clock (libfaketime) may be another than the kernel's
                before = mono_ns()
                self._set(self._fd, max(1, deadline_ns - before), period_ns)
                # preempted between the two, the timer would be late for as long as it runs
                exact = before < deadline_ns and mono_ns() - before < _EARLY_NS
                if exact or before >= deadline_ns:
                    break
            return exact

    def wake(self) -> None:
        with self._lock:
            self._woken = True
            self._set(
                self._fd, 1, 1000000
            )  # periodic: however often wait() is still called, it returns

    def close(self) -> None:
        os.close(self._fd)


def _timerfd() -> tuple:
    """(set(fd, first_ns, period_ns), fd) of a new timerfd on CLOCK_MONOTONIC."""
    if hasattr(os, "timerfd_create"):  # Python 3.13
        import time

        def setter(fd: int, first: int, period: int) -> None:
            os.timerfd_settime_ns(fd, initial=first, interval=period)  # type: ignore[attr-defined,unused-ignore]

        return setter, os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    spec = ctypes.c_long * 4  # struct itimerspec: interval s, ns; value s, ns

    def setter_ctypes(fd: int, first: int, period: int) -> None:
        value = spec(period // _NS, period % _NS, first // _NS, first % _NS)
        if libc.timerfd_settime(fd, 0, ctypes.byref(value), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    fd = libc.timerfd_create(1, os.O_CLOEXEC)  # 1 = CLOCK_MONOTONIC; TFD_CLOEXEC is O_CLOEXEC
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return setter_ctypes, fd


def make_timer() -> object:
    """The cheapest timer this interpreter can have."""
    try:
        return TimerFd()
    except (OSError, AttributeError, ImportError):
        return SelectTimer()
