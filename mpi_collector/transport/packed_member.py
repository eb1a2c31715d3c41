"""A packed member of a table, checked while it arrives, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mpi_collector.errors import TableError
from mpi_collector.node import strict_json

_WORD = 8
_PIECE = 256 << 10  #: inflated at a time


class Member:
    """One member: inflated piece by piece, never beyond its size, and its checksum taken."""

    def __init__(self, name: str, head: Mapping[str, Any]) -> None:
        self.name = name
        self._head = head
        self._inflate = zlib.decompressobj(-15)
        self._left: int = head["size"]
        self._crc = 0

    def take(self, piece: bytes) -> None:
        """Take inflated bytes."""

    def done(self) -> None:
        """All of it was taken, and is what its checksum says."""

    def feed(self, data: bytes | memoryview) -> None:
        for piece in self._pieces(data):
            self._left -= len(piece)
            if self._left < 0:
                raise TableError(f"{self.name!r} has more than {self._head['size']} bytes")
            self._crc = zlib.crc32(piece, self._crc)
            self.take(piece)

    def _pieces(self, data: bytes | memoryview) -> Iterator[bytes]:
        try:
            while True:
                piece = self._inflate.decompress(data, _PIECE)
                data = self._inflate.unconsumed_tail
                if self._inflate.unused_data:
                    raise TableError(f"{self.name!r} goes on behind its end")
                yield piece
                if not data and len(piece) < _PIECE:  # a full piece: more may be inside of zlib
                    return
        except zlib.error as e:
            raise TableError(f"{self.name!r} is damaged: {e}") from None

    def end(self) -> None:
        if not self._inflate.eof or self._left:
            raise TableError(f"{self.name!r} has less than {self._head['size']} bytes")
        if self._crc != self._head["crc"]:
            raise TableError(f"{self.name!r} does not have the checksum that it came with")
        self.done()


class Numbers(Member):
    """64-bit integers behind a known .npy ``header``. ``use`` is called with some of them a time.

    What it gets is (numbers,), int64. None: any numbers will do.
    """

    def __init__(
        self,
        name: str,
        head: Mapping[str, Any],
        header: bytes,
        use: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(name, head)
        self._header = header
        self._use = use
        self._held = b""  # of the header, then of a number that is not whole
        self._behind = False

    def take(self, piece: bytes) -> None:
        if self._behind and self._use is None:
            return
        data = self._held + piece
        if not self._behind:
            if len(data) < len(self._header):
                self._held = data
                return
            if not data.startswith(self._header):
                raise TableError(f"{self.name!r} has other rows or columns than its table")
            self._behind = True
            data = data[len(self._header) :]
        whole = len(data) - len(data) % _WORD
        self._held = data[whole:]
        if whole and self._use is not None:
            import numpy as np

            self._use(np.frombuffer(data, "<i8", whole // _WORD))

    def done(self) -> None:
        if not self._behind:
            raise TableError(f"{self.name!r} has other rows or columns than its table")


class Kept(Member):
    """A member whose bytes are kept, for ``use(name, plain bytes)``."""

    def __init__(
        self, name: str, head: Mapping[str, Any], use: Callable[[str, bytes], None]
    ) -> None:
        super().__init__(name, head)
        self._use = use
        self._parts: list[bytes] = []

    def take(self, piece: bytes) -> None:
        self._parts.append(piece)

    def done(self) -> None:
        self._use(self.name, b"".join(self._parts))


class Samples(Member):
    """The suite's samples: a JSON list with a line for each row (formats/suite_samples.py).

    ``rows``: (timestamp_ns, tick) of each row; ``line_most``: bytes of a line; ``values_most``:
    values in it.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        rows: Iterator[tuple[int, int]],
        line_most: int,
        values_most: int,
    ) -> None:
        super().__init__("json", head)
        self._expected = rows
        self._line_most = line_most
        self._values_most = values_most
        self._line = b""
        self._lines = 0

    def take(self, piece: bytes) -> None:
        *whole, self._line = (self._line + piece).split(b"\n")
        for line in whole:
            self._check(line, b"," if self._lines else b"[")
        if len(self._line) > self._line_most:
            raise TableError("a sample in 'json' is too long")

    def done(self) -> None:
        self._check(self._line, b"]" if self._lines else b"[]")
        if next(self._expected, None) is not None:
            raise TableError("'json' has fewer samples than the table")

    def _check(self, line: bytes, end: bytes) -> None:
        """TableError unless ``line`` is the sample of the next row, and ``end`` behind it."""
        first = not self._lines
        self._lines += 1
        if not line.endswith(end) or len(line) > self._line_most:
            raise TableError("'json' is no list of samples")
        if first:
            if line != end:
                raise TableError("'json' is no list of samples")
            return
        try:
            sample = strict_json.loads(line[:-1], self._values_most)
        except ValueError as e:
            raise TableError(f"a sample in 'json' is no JSON: {e}") from None
        said = sample if isinstance(sample, dict) else {}
        if (said.get("timestamp_ns"), said.get("tick")) != next(self._expected, None):
            raise TableError("a sample in 'json' is not that of its row")
