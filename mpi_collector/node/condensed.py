"""A long kernel file of which a few sums are kept: they are made when it is read, so that the spool need not hold the text."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_CHUNK = 1 << 18


class Condensed:
    """The file's text by way of ``condense``, as a source's own reader. OSError when it is not there."""

    def __init__(self, root: str, path: str, condense: "Callable[[bytes], bytes]") -> None:
        self._fd = os.open(os.path.join(root, path), os.O_RDONLY | os.O_CLOEXEC)
        self._condense = condense

    def read(self) -> bytes:
        chunks: list = []
        at = 0
        while True:
            chunk = os.pread(self._fd, _CHUNK, at)
            if not chunk:
                return self._condense(b"".join(chunks))
            chunks.append(chunk)
            at += len(chunk)

    def close(self) -> None:
        os.close(self._fd)
