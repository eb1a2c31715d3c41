"""Sources that are not one kernel file: several files as one text, readers, those that are read now and then or may hang.

All have ``read_into(view, tick) -> bytes or a negative status``, beside ``first``, ``capacity`` and ``close`` of a KernelFile.
"""

import errno
import os
import threading

from .compat import mono_ns, preadv
from .reading import status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PAGE = 4096
_EVERY_MAX = 64
_WAIT_S = 0.02  #: for a source that may hang; while it does, nobody waits for it at all
_FIRST_S = 2.0  #: for its first text; one that hangs even then is left out of the run
_WEIGHT = 8  #: samples over which a source's cost is averaged
_ROOM = 16384  #: bytes for files and devices that appear later
SKIPPED, SLOW = 6, 7  #: statuses, as in decode.py
_reading = set()  # type: set  # who of those that may hang is at it just now


class Files:
    """Several files as one text: a line ``@LABEL`` before each. ``listed()`` gives (label, path under root) pairs.

    One that cannot be opened or read is left out; OSError when that is so of all of them. Every ``relist_every`` reads the
    list is made again.
    """

    def __init__(self, root, listed, relist_every=0):
        # type: (str, Any, int) -> None
        self._root, self._listed, self._relist_every = root, listed, relist_every
        self._open = {}  # type: dict
        self._reads = 0
        self.capacity = 0
        self._list()

    def _list(self):
        # type: () -> None
        wanted = dict(self._listed())
        error = None  # type: Any
        for label in set(self._open) - set(wanted):
            os.close(self._open.pop(label)[1])
        fresh = {}
        for label, path in wanted.items():
            if label in self._open:
                fresh[label] = self._open[label]
                continue
            try:
                fd = os.open(os.path.join(self._root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as e:
                error = e
                continue
            fresh[label] = (("@%s\n" % label).encode("utf-8", "backslashreplace"), fd)
        self._open = fresh
        if not fresh and not self._reads:
            raise error or FileNotFoundError(2, "nothing of it is there", self._root)

    def first(self):
        # type: () -> bytes
        out = bytearray(1 << 22)
        n = self._fill(memoryview(out))
        self.capacity = n + n // 2 + (_ROOM if self._relist_every else _PAGE)
        return bytes(out[:n])

    def read(self, view):
        # type: (memoryview) -> int
        self._reads += 1
        if self._relist_every and self._reads % self._relist_every == 0:
            self._list()
        return self._fill(view)

    def _fill(self, view):
        # type: (memoryview) -> int
        at, error = 0, None  # type: int, Any
        for head, fd in self._open.values():
            room = len(view) - at - len(head)
            if room <= _PAGE // 8:
                return len(view)  # full: told as truncated
            try:
                n = got = preadv(fd, [view[at + len(head) :]], 0)
                while n > 0 and got < room:
                    n = preadv(fd, [view[at + len(head) + got :]], got)
                    got += n
            except OSError as e:
                error = e
                continue
            view[at : at + len(head)] = head
            at += len(head) + got
            if got and view[at - 1] != 10 and at < len(view):
                view[at] = 10
                at += 1
        if not at and error is not None:
            raise error
        return at

    def close(self):
        # type: () -> None
        for _head, fd in self._open.values():
            os.close(fd)
        self._open = {}


class Made:
    """A source's own reader (``read() -> bytes``, ``close()``) with the face of a file."""

    def __init__(self, reader):
        # type: (Any) -> None
        self._reader = reader
        self.capacity = 0

    def first(self):
        # type: () -> bytes
        text = self._reader.read()
        self.capacity = 2 * len(text) + _ROOM
        return text  # type: ignore[no-any-return]

    def read(self, view):
        # type: (memoryview) -> int
        text = self._reader.read()
        n = min(len(text), len(view))
        view[:n] = text[:n]
        return n

    def close(self):
        # type: () -> None
        self._reader.close()


class Aside:
    """Reads in a thread of its own, for what may hang: nobody waits longer than a moment, and not again while it hangs.

    ``make`` opens it, which may hang, too.
    """

    def __init__(self, make):
        # type: (Any) -> None
        self._make = make
        self._inner = None  # type: Any
        self._wake, self._done = threading.Semaphore(0), threading.Event()
        self._buffer = bytearray()
        self._result = 0  # type: Any
        self._busy = False
        self._quit = False
        self._thread = None  # type: Any

    @property
    def capacity(self):
        # type: () -> int
        return self._inner.capacity  # type: ignore[no-any-return]

    def first(self):
        # type: () -> bytes
        """OSError when it cannot be opened, or hangs before anything was read of it."""
        got = []  # type: list

        def begin():
            # type: () -> None
            _reading.add(self)
            try:
                inner = self._make()
                got.append((inner, inner.first()))
            except Exception as e:  # noqa: BLE001 - told to who asked
                got.append(e)
            _reading.discard(self)

        thread = threading.Thread(target=begin, name="aside", daemon=True)
        thread.start()
        thread.join(_FIRST_S)
        if not got:
            raise OSError(errno.ETIMEDOUT, "gave nothing within %g s" % _FIRST_S)
        if isinstance(got[0], Exception):
            raise got[0]
        self._inner, text = got[0]
        self._buffer = bytearray(self.capacity)
        return text  # type: ignore[no-any-return]

    def _work(self):
        # type: () -> None
        view = memoryview(self._buffer)
        while True:
            self._wake.acquire()
            if self._quit:
                return
            _reading.add(self)
            try:
                self._result = self._inner.read(view)
            except Exception as e:  # noqa: BLE001 - told to who asked
                self._result = e
            _reading.discard(self)
            self._done.set()

    def read(self, view):
        # type: (memoryview) -> int
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="aside", daemon=True)
            self._thread.start()
        if not self._busy:
            self._busy = True
            self._done.clear()
            self._wake.release()
            self._done.wait(_WAIT_S)
        if not self._done.is_set():
            return -SLOW
        self._busy = False
        if isinstance(self._result, Exception):
            raise self._result
        n = min(int(self._result), len(view))
        view[:n] = self._buffer[:n]
        return n

    def close(self):
        # type: () -> None
        self._quit = True
        self._wake.release()
        if not self._busy:  # what hangs keeps its files
            if self._thread is not None:
                self._thread.join(1)
            self._inner.close()


def hanging(patience_s=0.5):
    # type: (float) -> bool
    """Is one of them in the kernel and does not come back? Such a process cannot end, not even by SIGKILL."""
    deadline = mono_ns() + int(patience_s * 1e9)
    while _reading and mono_ns() < deadline:
        threading.Event().wait(0.01)
    return bool(_reading)


class Paced:
    """Reads at every n-th tick; a source that costs more than its budget is read half as often, and that is told."""

    fd = -1
    whole_below = 0

    def __init__(self, inner, name, every, budget_us):
        # type: (Any, str, int, int) -> None
        self._inner, self._name = inner, name
        self.every, self._budget_ns = every, budget_us * 1000
        self._mean_ns = 0.0
        self._reads = 0
        self.on_event = None  # type: Any

    @property
    def capacity(self):
        # type: () -> int
        return self._inner.capacity  # type: ignore[no-any-return]

    def first(self):
        # type: () -> bytes
        return self._inner.first()  # type: ignore[no-any-return]

    def read_into(self, view, tick):
        # type: (memoryview, int) -> int
        """Bytes, or a negative status. The row of the stop (a negative tick) reads everything."""
        if tick % self.every and tick >= 0:
            return -SKIPPED
        begin = mono_ns()
        try:
            n = self._inner.read(view)
        except OSError as e:
            return -status_of(e)
        if self._budget_ns:
            self._account(mono_ns() - begin, tick)
        return int(n)

    def _account(self, cost_ns, tick):
        # type: (int, int) -> None
        self._mean_ns += (cost_ns - self._mean_ns) / min(self._reads + 1, _WEIGHT)
        self._reads += 1
        if self._reads >= _WEIGHT and self._mean_ns > self._budget_ns and self.every < _EVERY_MAX:
            self.every *= 2
            self._reads = 0
            if self.on_event is not None:
                self.on_event({"type": "slowed", "source": self._name, "every": self.every, "tick": tick,
                               "cost_us": int(self._mean_ns / 1000)})  # fmt: skip

    def close(self):
        # type: () -> None
        self._inner.close()


def open_source(source, root):
    # type: (Any, str) -> Any
    """What reads ``source``; None for a plain kernel file. OSError, here or at its ``first``, when it is not there."""
    if not (source.several or source.makes_its_text or source.every > 1 or source.budget_us or source.may_block):
        return None

    def make():
        # type: () -> Any
        if source.several:
            return Files(root, lambda: source.files(root), source.relist_every)
        return Made(source.reader(root)) if source.makes_its_text else Files(root, lambda: [("", source.path)])

    return Paced(Aside(make) if source.may_block else make(), source.name, source.every, source.budget_us)
