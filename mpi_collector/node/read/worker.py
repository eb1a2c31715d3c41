"""Read in a thread of its own what may block in the kernel, so that the other sources go on."""

import threading

from ..compat import mono_ns
from ..status import SLOW
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_WAIT_NS = 20 * 10**6  #: for an answer
_WAIT_MAX_NS = 100 * 10**6  #: for an answer of a source that was a little slower than that
_CLOSE_S = 1.0  #: for the thread to end
_reading: "set[int]" = set()  #: ids of the readings that are in progress


def call_with_timeout(seconds: float, call: "Callable[[], T]", what: str) -> "T":
    """Return what ``call`` returns, or raise what it raises.

    TimeoutError, an OSError, when it takes longer; its thread is then left behind.
    """
    result: "list[T]" = []
    failure: "list[BaseException]" = []
    call_id = id(result)

    def work() -> None:
        _reading.add(call_id)
        try:
            result.append(call())
        except BaseException as e:  # noqa: BLE001 - raised in the caller's thread
            failure.append(e)
        finally:
            _reading.discard(call_id)

    thread = threading.Thread(target=work, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError("%s did not answer within %g s" % (what, seconds))
    return result[0]


class BlockingReader(Readable):
    """A Readable that may block: it is read in a thread, and waited for only a moment.

    While a reading has not ended, ``read`` returns -SLOW at once and asks for no other. A result
    that arrives after its tick is stale: it is dropped and a new one asked for. Of a source that is
    always slower than anybody waits, the last result is returned at the next tick, late.

    ``cost_ns``: duration of the readings that ended with the last ``read``, 0 when none did.
    ``clock``: monotonic nanoseconds.
    """

    def __init__(
        self, inner: Readable, start_s: float = 3.0, clock: "Callable[[], int]" = mono_ns
    ) -> None:
        super().__init__()
        self.notices = inner.notices
        self._inner = inner
        self._start_s = start_s
        self._clock = clock
        self._wake = threading.Semaphore(0)
        self._done = threading.Event()
        self._buffer = bytearray()
        self._result: "int | Exception" = 0
        self._took_ns = 0
        self._busy = False
        self._quit = False
        self._thread: "threading.Thread | None" = None
        self.cost_ns = 0
        self.capacity = 0

    def first(self) -> bytes:
        text = call_with_timeout(self._start_s, self._inner.first, "the first reading")
        self.capacity = self._inner.capacity
        self._buffer = bytearray(self.capacity)
        return text

    def _work(self) -> None:
        view = memoryview(self._buffer)
        while True:
            self._wake.acquire()
            if self._quit:
                return
            begin = self._clock()
            _reading.add(id(self))
            try:
                self._result = self._inner.read(view)
            except Exception as e:  # noqa: BLE001 - raised in the sampler's thread
                self._result = e
            _reading.discard(id(self))
            self._took_ns = self._clock() - begin
            self._done.set()

    def read(self, view: memoryview) -> int:
        self.cost_ns = 0
        if self._busy and self._done.is_set():
            self._end()
            if self._took_ns > _WAIT_MAX_NS:
                return self._answer(view)
        if not self._busy:
            self._ask()
        if not self._done.is_set():
            return -SLOW
        self._end()
        return self._answer(view)

    def wait(self, seconds: float) -> bool:
        """Wait until the reading in progress has ended. Return False when it has not by then."""
        return self._done.wait(seconds)

    def _ask(self) -> None:
        """Start a reading and wait for it a moment: twice what the last one took, within limits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="blocking", daemon=True)
            self._thread.start()
        self._busy = True
        self._done.clear()
        self._wake.release()
        wait_ns = (
            _WAIT_NS
            if self._took_ns > _WAIT_MAX_NS
            else min(max(_WAIT_NS, 2 * self._took_ns), _WAIT_MAX_NS)
        )
        self._done.wait(wait_ns * 1e-9)

    def _end(self) -> None:
        self._busy = False
        self.cost_ns += self._took_ns

    def _answer(self, view: memoryview) -> int:
        if isinstance(self._result, Exception):
            raise self._result
        n = min(self._result, len(view))
        view[:n] = self._buffer[:n]
        return n

    def close(self) -> None:
        """Close the files, unless the thread is still in the kernel with them."""
        self._quit = True
        self._wake.release()
        if self._thread is not None and not (self._busy and not self._done.is_set()):
            self._thread.join(_CLOSE_S)
            self._busy = False
        if not self._busy:
            self._inner.close()


def stuck_in_kernel(patience_s: float = 0.5) -> bool:
    """Return whether a reading is still in progress after ``patience_s``.

    Such a process cannot end while the kernel does not return, not even by SIGKILL.
    """
    deadline = mono_ns() + int(patience_s * 1e9)
    while _reading and mono_ns() < deadline:
        threading.Event().wait(0.01)
    return bool(_reading)
