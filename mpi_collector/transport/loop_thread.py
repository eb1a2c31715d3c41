"""An asyncio event loop in a thread of its own, used by synchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

_T = TypeVar("_T")
_JOIN_S = 5.0
_SLICE_S = 0.2


def wait_for(future: Future[_T], meanwhile: Callable[[], object] = lambda: None) -> _T:
    """Return the result of ``future``; signal handlers run, and may raise, while it waits.

    ``meanwhile`` is called now and then.

    It waits in slices: a signal that the kernel delivers to another thread does not wake this one
    from a lock, and its handler would only run when the result is there.
    """
    while True:
        try:
            return future.result(_SLICE_S)
        except FutureTimeoutError:
            if future.done():  # raised by the work itself
                return future.result()
            meanwhile()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that is left open when the program ends, and says nothing about it."""

    def __del__(self) -> None:
        """No-op: what asyncio does here fails once the selector is closed."""


class LoopThread:
    """A daemon thread that runs an event loop. Methods are called from other threads only.

    The loop itself is not closed: a subprocess that could not be killed in time may still report
    its exit to it.
    """

    def __init__(self, name: str) -> None:
        self._loop = _Loop()
        # every failure reaches a caller by its future; what asyncio finds beside those, a pipe
        # that broke when its process was ended for instance, is nobody's business
        self._loop.set_exception_handler(lambda loop, context: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start ``work`` in the loop.

        RuntimeError after ``close``, when nothing would ever run it.
        """
        if not self.alive:
            work.close()
            raise RuntimeError("the sessions have ended")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(
        self, work: Coroutine[Any, Any, _T], meanwhile: Callable[[], object] = lambda: None
    ) -> _T:
        """Run ``work`` in the loop and return its result. RuntimeError after ``close``.

        ``meanwhile`` is called now and then, in this thread.
        """
        return wait_for(self.submit(work), meanwhile)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have the loop call ``function``, without waiting for it."""
        self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Stop the loop and wait up to 5 s for the thread to end.

        Does nothing when called again.
        """
        if self.alive:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_JOIN_S)
