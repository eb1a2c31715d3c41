"""Texts that a source's own reader makes, in place of one kernel file as it is."""

from .kernel_file import WholeFile
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Reader(Protocol):
        """Makes the text of a source."""

        def read(self) -> bytes: ...
        def close(self) -> None: ...


_LATER_BYTES = 16384  #: room for devices that appear later


class CondensedFile:
    """A reader: one kernel file by way of ``condense``, which keeps what is worth storing.

    OSError when the file is not there.
    """

    def __init__(self, root: str, path: str, condense: "Callable[[bytes], bytes]") -> None:
        self._file = WholeFile(root, path)
        self._condense = condense

    def read(self) -> bytes:
        """Return the condensed text now."""
        return self._condense(self._file.read())

    def close(self) -> None:
        self._file.close()


class ReaderFile(Readable):
    """The text of a reader, as a Readable. ``capacity`` is twice the first text and 16 KiB."""

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader
        self.capacity = 0

    def first(self) -> bytes:
        text = self._reader.read()
        self.capacity = 2 * len(text) + _LATER_BYTES
        return text

    def read(self, view: memoryview) -> int:
        text = self._reader.read()
        n = min(len(text), len(view))
        view[:n] = text[:n]
        return n

    def close(self) -> None:
        self._reader.close()
