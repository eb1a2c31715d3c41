"""Read several kernel files as one text."""

import os

from ..compat import preadv
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PAGE = 4096
_LATER_BYTES = 16384  #: room for files and devices that appear later
_FIRST_BYTES = 1 << 22  #: room for the first reading
_LEAST_ROOM = 512  #: bytes of buffer below which the next file is not begun


class FileGroup(Readable):
    """Several kernel files as one text, with a line ``@LABEL`` before the text of each.

    ``list_files`` returns (label, path below ``root``) of the files there are now; it is asked
    again every ``relist_every`` readings (0: never). A file that cannot be opened or read is left
    out. OSError when that is so of all of them: at the start, or at a reading.
    """

    def __init__(
        self, root: str, list_files: "Callable[[], list[tuple[str, str]]]", relist_every: int = 0
    ) -> None:
        self._root = root
        self._list_files = list_files
        self._relist_every = relist_every
        self._open: "dict[str, tuple[bytes, int]]" = {}  # label -> (line before it, descriptor)
        self._reads = 0
        self.capacity = 0
        self._relist()

    def _relist(self) -> None:
        wanted = dict(self._list_files())
        error = None
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
        out = bytearray(_FIRST_BYTES)
        n = self._fill(memoryview(out))
        self.capacity = n + n // 2 + (_LATER_BYTES if self._relist_every else _PAGE)
        return bytes(out[:n])

    def read(self, view: memoryview) -> int:
        self._reads += 1
        if self._relist_every and self._reads % self._relist_every == 0:
            self._relist()
        return self._fill(view)

    def _fill(self, view: memoryview) -> int:
        at = 0
        error = None
        for head, fd in self._open.values():
            room = len(view) - at - len(head)
            if room <= _LEAST_ROOM:
                return len(view)  # full, which means truncated
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
