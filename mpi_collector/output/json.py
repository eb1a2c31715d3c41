"""``*_timeseries.json``: host after host as they arrive, never the whole cluster in memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

from mpi_collector.formats.suite_samples import TimeSeriesHead


class JsonMark(NamedTuple):
    """A state of a ``JsonWriter``."""

    at: int  #: position in the file, bytes
    hosts: frozenset[str]


class JsonWriter:
    """Writes the document to ``file``. The samples of a host come deflated from its node."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hosts: set[str] = set()
        self._inflate = zlib.decompressobj(-15)
        file.write(b'{"samples_by_host": {')

    def begin(self, host: str) -> None:
        """Begin ``host``, whose samples follow through ``write``."""
        self._begin(host)
        self._inflate = zlib.decompressobj(-15)

    def write(self, data: bytes | memoryview) -> None:
        """Write deflated samples of the host that was begun."""
        self._file.write(self._inflate.decompress(data))

    def add(self, host: str, chunks: Iterable[bytes]) -> None:
        """Write a host with the plain text of its samples, a JSON list."""
        self._begin(host)
        for chunk in chunks:
            self._file.write(chunk)

    def _begin(self, host: str) -> None:
        self._file.write(f"{',' if self._hosts else ''}\n{json.dumps(host)}: ".encode())
        self._hosts.add(host)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that are in the file."""
        return frozenset(self._hosts)

    def mark(self) -> JsonMark:
        """Return the state to which ``rollback`` returns."""
        return JsonMark(self._file.tell(), self.hosts)

    def rollback(self, mark: JsonMark) -> None:
        """Remove everything behind ``mark``."""
        self._hosts = set(mark.hosts)
        self._file.seek(mark.at)
        self._file.truncate()

    def finish(self, head: TimeSeriesHead, hosts: Sequence[str]) -> None:
        """Write the rest: an empty list for each of ``hosts`` without samples, and ``head``."""
        for host in hosts:
            if host not in self._hosts:
                self.add(host, [b"[]"])
        self._file.write(b"},\n" + json.dumps(head)[1:].encode() + b"\n")
