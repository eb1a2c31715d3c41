"""Texts that a source's own reader makes, in place of one kernel file as it is."""

from .kernel_file import WholeFile
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .readable import Notice


class Reader:
    """Makes the text of a source. ``notices``: as a ``Readable`` has them."""

    def __init__(self) -> None:
        self.notices: "list[Notice]" = []

    def read(self) -> bytes:
        """Return the text now. OSError when there is nothing to read."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError


class CondensedFile(Reader):
    """A reader: one kernel file by way of ``condense``, which keeps what is worth storing.

    OSError when the file is not there.
    """

    def __init__(self, root: str, path: str, condense: "Callable[[bytes], bytes]") -> None:
        super().__init__()
        self._file = WholeFile(root, path)
        self._condense = condense

    def read(self) -> bytes:
        """Return the condensed text now."""
        return self._condense(self._file.read())

    def close(self) -> None:
        self._file.close()


class ReaderFile(Readable):
    """The text of a reader, as a Readable.

    ``capacity`` is twice the first text and ``later_bytes``, for devices that appear later.
    """

    def __init__(self, reader: "Reader", later_bytes: int) -> None:
        super().__init__()
        self.notices = reader.notices
        self._reader = reader
        self._later_bytes = later_bytes
        self.capacity = 0

    def first(self) -> bytes:
        text = self._reader.read()
        self.capacity = 2 * len(text) + self._later_bytes
        return text

    def read(self, view: memoryview) -> int:
        text = self._reader.read()
        n = min(len(text), len(view))
        view[:n] = text[:n]
        return n

    def close(self) -> None:
        self._reader.close()
