"""Sources whose text is made by a reader, not read from one kernel file."""

import os

from .file_group import _ROOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


_CHUNK = 1 << 18


class CondensedFile:
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


class ReaderFile:
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
