"""Sources that are not one kernel file: several files as one text, readers, those that are read now and then or may hang.

All have ``read_into(view, tick) -> bytes or a negative status``, beside ``first``, ``capacity`` and ``close`` of a KernelFile.
"""

import os

from .aside import Aside, within
from .compat import mono_ns, preadv
from .reading import status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PAGE = 4096
_EVERY_MAX = 64
_WEIGHT = 8  #: samples over which a source's cost is averaged
_OUTLIER = 4  #: budgets that a single reading counts at most: one that hung for a minute says nothing of the others
_ROOM = 16384  #: bytes for files and devices that appear later
SKIPPED = 6  #: a status, as in decode.py


class Files:
    """Several files as one text: a line ``@LABEL`` before each. ``listed()`` gives (label, path under root) pairs.

    One that cannot be opened or read is left out; OSError when that is so of all of them. Every ``relist_every`` reads the
    list is made again.
    """

    def __init__(self, root: str, listed: "Any", relist_every: int = 0) -> None:
        self._root, self._listed, self._relist_every = root, listed, relist_every
        self._open: dict = {}
        self._reads = 0
        self.capacity = 0
        self._list()

    def _list(self) -> None:
        wanted = dict(self._listed())
        error: "Any" = None
        for label in set(self._open) - set(wanted):
            os.close(self._open.pop(label)[1])
        fresh = {}
        for label, path in wanted.items():
            if label in self._open:
                fresh[label] = self._open[label]
                continue
            try:
                fd = os.open(
                    os.path.join(self._root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
                )
            except OSError as e:
                error = e
                continue
            fresh[label] = (("@%s\n" % label).encode("utf-8", "backslashreplace"), fd)
        self._open = fresh
        if not fresh and not self._reads:
            raise error or FileNotFoundError(2, "nothing of it is there", self._root)

    def first(self) -> bytes:
        out = bytearray(1 << 22)
        n = self._fill(memoryview(out))
        self.capacity = n + n // 2 + (_ROOM if self._relist_every else _PAGE)
        return bytes(out[:n])

    def read(self, view: memoryview) -> int:
        self._reads += 1
        if self._relist_every and self._reads % self._relist_every == 0:
            self._list()
        return self._fill(view)

    def _fill(self, view: memoryview) -> int:
        at: int = 0
        error: "Any" = None
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

    def close(self) -> None:
        for _head, fd in self._open.values():
            os.close(fd)
        self._open = {}


class Made:
    """A source's own reader (``read() -> bytes``, ``close()``) with the face of a file."""

    def __init__(self, reader: "Any") -> None:
        self._reader = reader
        self.capacity = 0

    def first(self) -> bytes:
        text = self._reader.read()
        self.capacity = 2 * len(text) + _ROOM
        return text  # type: ignore[no-any-return]

    def read(self, view: memoryview) -> int:
        text = self._reader.read()
        n = min(len(text), len(view))
        view[:n] = text[:n]
        return n

    def close(self) -> None:
        self._reader.close()


class Paced:
    """Reads at every n-th tick. A source that costs more than its budget, spread over the ticks it is read for, is read half as
    often, and as often as before when it has become cheap again; both are told.
    """

    fd = -1
    whole_below = 0

    def __init__(self, inner: "Any", name: str, every: int, budget_us: int) -> None:
        self._inner, self._name = inner, name
        self._every, self._budget_ns = every, budget_us * 1000
        self.every = every
        self._mean_ns = 0.0
        self._reads = 0
        self.on_event: "Any" = None

    @property
    def capacity(self) -> int:
        return self._inner.capacity  # type: ignore[no-any-return]

    def first(self) -> bytes:
        return self._inner.first()  # type: ignore[no-any-return]

    def read_into(self, view: memoryview, tick: int) -> int:
        """Bytes, or a negative status. The row of the stop (a negative tick) reads everything."""
        if tick % self.every and tick >= 0:
            return -SKIPPED
        begin = mono_ns()
        try:
            n = int(self._inner.read(view))
        except OSError as e:
            n = -status_of(e)
        if self._budget_ns:
            cost_ns = self._inner.cost_ns if isinstance(self._inner, Aside) else mono_ns() - begin
            if cost_ns:
                self._account(cost_ns, tick)
        return n

    def _account(self, cost_ns: int, tick: int) -> None:
        cost_ns = min(cost_ns, _OUTLIER * self._budget_ns * self.every // self._every)
        self._mean_ns += (cost_ns - self._mean_ns) / min(self._reads + 1, _WEIGHT)
        self._reads += 1
        if self._reads < _WEIGHT:
            return
        share_ns = self._mean_ns * self._every / self.every
        if share_ns > self._budget_ns and self.every < _EVERY_MAX:
            self._pace(2 * self.every, tick)
        elif (
            self.every > self._every and share_ns < self._budget_ns / 4
        ):  # twice that at half the divisor: still well below
            self._pace(self.every // 2, tick)

    def _pace(self, every: int, tick: int) -> None:
        self.every, self._reads = every, 0
        if self.on_event is not None:
            self.on_event({"type": "slowed", "source": self._name, "every": every, "tick": tick,
                           "cost_us": int(self._mean_ns / 1000)})  # fmt: skip

    def close(self) -> None:
        self._inner.close()


def open_source(source: "Any", root: str) -> "Any":
    """What reads ``source``; None for a plain kernel file. OSError when it is not there, or does not answer."""
    if not (
        source.several
        or source.makes_its_text
        or source.every > 1
        or source.budget_us
        or source.may_block
    ):
        return None
    if source.may_block:
        inner = within(source.start_s, lambda: _opened(source, root), source.name)
        return Paced(Aside(inner, source.start_s), source.name, source.every, source.budget_us)
    return Paced(_opened(source, root), source.name, source.every, source.budget_us)


def _opened(source: "Any", root: str) -> "Any":
    if source.several:
        return Files(root, lambda: source.files(root), source.relist_every)
    if source.makes_its_text:
        return Made(source.reader(root))
    return Files(root, lambda: [("", source.path)])
