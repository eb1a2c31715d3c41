"""``*_timeseries.json``: one host after the other, as they arrive, never the whole cluster in memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from mpi_collector.formats.suite_samples import TimeSeriesHead


class JsonWriter:
    """Streams the document. The samples of a host come as deflated text from where its table is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hosts: set[str] = set()
        file.write(b'{"samples_by_host": {')

    def begin(self, host: str) -> None:
        """The samples of ``host`` follow through ``write``."""
        self._file.write(f"{',' if self._hosts else ''}\n{json.dumps(host)}: ".encode())
        self._hosts.add(host)
        self._inflate = zlib.decompressobj(-15)

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(self._inflate.decompress(data))

    def add(self, host: str, chunks: Iterable[bytes]) -> None:
        """A host whose samples are encoded here."""
        self.begin(host)
        for chunk in chunks:
            self._file.write(chunk)

    @property
    def hosts(self) -> set[str]:
        return self._hosts

    def mark(self) -> tuple[int, set[str]]:
        """Where the file stands, for ``rollback``."""
        return self._file.tell(), set(self._hosts)

    def rollback(self, mark: tuple[int, set[str]]) -> None:
        """Forget everything behind ``mark``."""
        at, self._hosts = mark
        self._file.seek(at)
        self._file.truncate()

    def finish(self, head: TimeSeriesHead, hosts: Sequence[str]) -> None:
        """``hosts`` that gave nothing get an empty list; ``head``: the other members of the document."""
        for host in hosts:
            if host not in self._hosts:
                self._file.write(f"{',' if self._hosts else ''}\n{json.dumps(host)}: []".encode())
                self._hosts.add(host)
        self._file.write(b"},\n" + json.dumps(head)[1:].encode() + b"\n")
