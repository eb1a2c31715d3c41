"""Sources that were not there at the start: which of their rows count."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import pytest

from mpi_collector.node.status import ABSENT, DENIED, ERROR, OK, SKIPPED, SLOW
from mpi_collector.node.table import read_sources


class LateTable:
    """A recording of one source that was not there at the start."""

    def __init__(self, status: list[int], at_start: int) -> None:
        self.meta = {"absent": {"lustre": at_start}}
        self.layout = SimpleNamespace(sources=["lustre"])
        self._status = status

    def __len__(self) -> int:
        return len(self._status)

    def statuses(self) -> list[Any]:
        return [array("B", self._status)]

    def utc_ns(self) -> list[int]:
        return list(range(len(self)))


@pytest.mark.parametrize(
    ("status", "at_start", "since", "bad"),
    [
        ([ABSENT, SKIPPED, ABSENT, OK, OK], ABSENT, 3, None),  # it was not there: no gap
        ([DENIED, DENIED, OK, OK], DENIED, None, 2),  # there, and could not be read
        ([ERROR, ABSENT, OK, OK], ERROR, None, 2),
        ([ABSENT, ABSENT, OK, SLOW, OK], ABSENT, 2, 1),
        ([ABSENT, ABSENT, ABSENT], ABSENT, None, None),  # never there: it is a missing source
        ([DENIED, DENIED], DENIED, None, None),
        ([OK, OK], ABSENT, None, None),  # of a ring, in which the first rows are gone
    ],
)
def test_rows_before_a_source_was_there(
    status: list[int], at_start: int, since: int | None, bad: int | None
) -> None:
    table: Any = LateTable(status, at_start)
    rows = read_sources.source_rows(table)
    assert read_sources.late_sources(table) == ({} if since is None else {"lustre": since})
    assert {k: v["bad"] for k, v in rows.items()} == ({} if bad is None else {"lustre": bad})
