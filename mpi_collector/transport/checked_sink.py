"""A table that streams into the sink, checked on its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpi_collector.errors import TableError
from mpi_collector.transport.base import MemberSplitter, Sink
from mpi_collector.transport.table_check import TableCheck


def stream_table(
    sink: Sink,
    key: str,
    heads: Sequence[dict[str, Any]],
    check: TableCheck,
    receive: Callable[[int, Callable[[memoryview], None]], None],
) -> None:
    """Put a table into ``sink``; ``receive(bytes in all, take)`` calls ``take`` with its parts.

    TableError when it is not what it should be, and RuntimeError of the sink; all of it is received
    even so. The host is dropped from the sink then, and after whatever ``receive`` raises.
    """
    through = _Through(sink, check)
    splitter = MemberSplitter(list(heads), through)
    sink.begin_host(key)
    try:
        receive(splitter.total, splitter.feed)
        splitter.finish()
        through.finish()
    except BaseException:
        sink.drop_host()
        raise
    sink.end_host()


class _Through:
    """A sink of members that gives to another one what has passed ``check``."""

    def __init__(self, sink: Sink, check: TableCheck) -> None:
        self._sink = sink
        self._check = check
        self._open = False
        self._error: TableError | None = None

    def begin(self, head: dict[str, Any]) -> None:
        def work() -> None:
            self._end_member()
            self._check.begin()
            self._open = True
            self._sink.begin(head)

        self._unless_odd(work)

    def write(self, data: bytes | memoryview) -> None:
        def work() -> None:
            self._check.feed(data)
            self._sink.write(data)

        self._unless_odd(work)

    def finish(self) -> None:
        def work() -> None:
            self._end_member()
            self._check.end()

        self._unless_odd(work)
        if self._error is not None:
            raise self._error

    def _end_member(self) -> None:
        if self._open:
            self._check.end_member()
            self._open = False

    def _unless_odd(self, work: Callable[[], None]) -> None:
        """Do ``work`` unless something was wrong before: the rest is received, and thrown away."""
        if self._error is None:
            try:
                work()
            except TableError as e:
                self._error = e
