"""A signal for a child when this process ends."""

from __future__ import annotations

from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def death_signal(number: int) -> Callable[[], object]:
    """Return a function that a child runs before exec.

    It has the kernel send the child signal ``number`` when its parent dies. No-op where Python has
    no ctypes.
    """
    try:
        import ctypes

        # looked up here: nothing may be loaded between fork and exec
        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda: None
    return lambda: prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
