"""Reading in a thread of its own, for what may hang: the others go on."""

import threading

from ..compat import mono_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

SLOW = 7  #: a status, as in decode.py
_WAIT_NS = 20 * 10**6  #: for an answer
_WAIT_MAX_NS = 100 * 10**6  #: for one of a source that was slower than that, but not by much
_reading: set = set()  # what the threads are at just now


def call_with_timeout(seconds: float, call: "Callable", what: str) -> "Any":
    """What ``call`` returns or raises. TimeoutError, an OSError, when it takes longer; then its thread stays behind."""
    answer: list = []

    def work() -> None:
        _reading.add(answer_id)
        try:
            answer.append((call(), None))
        except BaseException as e:  # noqa: BLE001 - told to who asked
            answer.append((None, e))
        finally:
            _reading.discard(answer_id)

    answer_id = id(answer)

    thread = threading.Thread(target=work, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError("%s did not answer within %g s" % (what, seconds))
    value, error = answer[0]
    if error is not None:
        raise error
    return value


class BlockingReader:
    """Nobody waits for ``inner`` longer than a moment, and not again while it hangs.

    An answer that came after its sample is dropped, and a new one asked for: it is of then, not of now. Of a source that
    always takes longer than anybody waits, the last answer is better than none: it is told at the next sample, late.
    ``cost_ns``: what the reading took that has ended with the last ``read``, 0 when none has.
    """

    def __init__(self, inner: "Any", start_s: float = 3.0) -> None:
        self._inner, self._start_s = inner, start_s
        self._wake, self._done = threading.Semaphore(0), threading.Event()
        self._buffer = bytearray()
        self._result: "Any" = 0
        self._took_ns = 0
        self.cost_ns = 0
        self._busy = False
        self._quit = False
        self._thread: "Any" = None

    @property
    def capacity(self) -> int:
        return self._inner.capacity  # type: ignore[no-any-return]

    def first(self) -> bytes:
        text = call_with_timeout(self._start_s, self._inner.first, "the first reading")
        self._buffer = bytearray(self.capacity)
        return text  # type: ignore[no-any-return]

    def _work(self) -> None:
        view = memoryview(self._buffer)
        while True:
            self._wake.acquire()
            if self._quit:
                return
            began = mono_ns()
            _reading.add(id(self))
            try:
                self._result = self._inner.read(view)
            except Exception as e:  # noqa: BLE001 - told to who asked
                self._result = e
            _reading.discard(id(self))
            self._took_ns = mono_ns() - began
            self._done.set()

    def read(self, view: memoryview) -> int:
        self.cost_ns = 0
        if self._busy and self._done.is_set():
            self._ended()
            if self._took_ns > _WAIT_MAX_NS:
                return self._answer(view)
        if not self._busy:
            self._ask()
        if not self._done.is_set():
            return -SLOW
        self._ended()
        return self._answer(view)

    def _ask(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="aside", daemon=True)
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

    def _ended(self) -> None:
        self._busy = False
        self.cost_ns += self._took_ns

    def _answer(self, view: memoryview) -> int:
        if isinstance(self._result, Exception):
            raise self._result
        n = min(int(self._result), len(view))
        view[:n] = self._buffer[:n]
        return n

    def close(self) -> None:
        self._quit = True
        self._wake.release()
        if self._thread is not None and not (
            self._busy and not self._done.is_set()
        ):  # what hangs keeps its files
            self._thread.join(1)
            self._busy = False
        if not self._busy:
            self._inner.close()


def stuck_in_kernel(patience_s: float = 0.5) -> bool:
    """Is one of them in the kernel and does not come back? Such a process cannot end, not even by SIGKILL."""
    deadline = mono_ns() + int(patience_s * 1e9)
    while _reading and mono_ns() < deadline:
        threading.Event().wait(0.01)
    return bool(_reading)
