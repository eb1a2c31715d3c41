"""Timers that sleep until absolute deadlines on the monotonic clock and can be woken early.

A periodic timerfd needs one read per tick and no arithmetic; where there is none (no ctypes, an
unusual libc), poll on a pipe is used. Neither depends on the wall clock, unlike a lock with a time-
out before Python 3.11.
"""

import functools
import os
import select
import threading
import time

from ..compat import mono_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Protocol

    #: set(descriptor, ns until the first expiration, period in ns)
    SetTimer = Callable[[int, int, int], None]

    class Timer(Protocol):
        """A timer that a Sampler sleeps on; all times are monotonic ns."""

        #: ``block`` may return early by this much, or by more when the clock is slewed
        early_ns: int

        def arm(self, deadline_ns: int, period_ns: int) -> bool:
            """Set deadline and period. False when it must be set again before the next deadline."""

        @property
        def block(self) -> "Callable[[], object]":
            """Return at the deadline, at the next call a period later and so on."""

        def wake(self) -> None:
            """Make ``block`` return at once, now and at every later call."""

        def close(self) -> None:
            """Close its descriptors."""


_NS_PER_S = 1000000000
_NS_PER_MS = 1000000
_EARLY_NS = 50000  #: a wake-up that is early by less than this counts
_TRIES = 5  #: how often the timer is set anew when this thread was preempted meanwhile
_CLOCK_MONOTONIC = 1  #: of <time.h>


class SelectTimer:
    """A Timer over poll on a pipe."""

    early_ns = _EARLY_NS

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._poll = select.poll()  # select takes no descriptor above 1023
        self._poll.register(self._read, select.POLLIN)
        self._deadline_ns: int = 0
        self._period_ns: int = 0

    def arm(self, deadline_ns: int, period_ns: int) -> bool:
        """Set deadline and period; always True."""
        self._deadline_ns = deadline_ns
        self._period_ns = period_ns
        return True

    def block(self) -> None:
        """Sleep until the deadline or until woken; the next deadline is a period later."""
        deadline_ns = self._deadline_ns
        while True:
            now = mono_ns()
            if now >= deadline_ns or self._poll.poll((deadline_ns - now) // _NS_PER_MS):
                self._deadline_ns = deadline_ns + self._period_ns
                return
            rest = deadline_ns - mono_ns()
            if 0 < rest < _NS_PER_MS:  # poll counts in whole milliseconds
                select.select((), (), (), rest * 1e-9)

    def wake(self) -> None:
        """Make ``block`` return at once from now on."""
        os.write(self._write, b"x")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read)
        os.close(self._write)


class TimerFd:
    """A Timer over a timerfd that expires every period; ``block`` is a single C call.

    OSError or AttributeError from the constructor where there is no timerfd.
    """

    early_ns = _EARLY_NS

    def __init__(self) -> None:
        self._set, self._fd = _timerfd()
        self._lock = threading.Lock()
        self._woken = False
        self.block: "Callable[[], object]" = functools.partial(os.read, self._fd, 8)
        self.arm(mono_ns() + 1000, 0)  # proves that arming works before anything relies on it
        self.block()

    def arm(self, deadline_ns: int, period_ns: int) -> bool:
        """Set deadline and period. False when woken, or when the timer may be late by now."""
        with self._lock:
            if self._woken:
                return False
            exact = False
            for _ in range(_TRIES):
                # relative: a faked monotonic clock (libfaketime) may differ from the kernel's
                before = mono_ns()
                self._set(self._fd, max(1, deadline_ns - before), period_ns)
                # preempted between the two calls, the timer would be late as long as it runs
                exact = before < deadline_ns and mono_ns() - before < _EARLY_NS
                if exact or before >= deadline_ns:
                    break
            return exact

    def wake(self) -> None:
        """Make ``block`` return at once from now on."""
        with self._lock:
            self._woken = True
            # periodic: block() returns however often it is called
            self._set(self._fd, 1, _NS_PER_MS)

    def close(self) -> None:
        """Close the timerfd."""
        os.close(self._fd)


def _timerfd() -> "tuple[SetTimer, int]":
    """Return (function that sets it, descriptor) of a new timerfd on CLOCK_MONOTONIC."""
    if hasattr(os, "timerfd_create"):  # Python 3.13

        def settime(fd: int, first_ns: int, period_ns: int) -> None:
            os.timerfd_settime_ns(fd, initial=first_ns, interval=period_ns)  # type: ignore[attr-defined,unused-ignore]

        fd = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
        return settime, fd
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    itimerspec = ctypes.c_long * 4  # interval s, ns; value s, ns

    def settime_ctypes(fd: int, first_ns: int, period_ns: int) -> None:
        period = divmod(period_ns, _NS_PER_S)
        first = divmod(first_ns, _NS_PER_S)
        if libc.timerfd_settime(fd, 0, ctypes.byref(itimerspec(*period, *first)), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    # TFD_CLOEXEC is O_CLOEXEC
    fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return settime_ctypes, fd


def make_timer() -> "Timer":
    """Return the cheapest timer that this interpreter has."""
    try:
        return TimerFd()
    except (OSError, AttributeError, ImportError):
        return SelectTimer()
