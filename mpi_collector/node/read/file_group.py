"""Read several kernel files as one text."""

import os

from ..compat import preadv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_PAGE = 4096


_ROOM = 16384  #: bytes for files and devices that appear later


class FileGroup:
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
