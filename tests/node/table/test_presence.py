"""Absences of devices: what is told of rows in which a device was there or not."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.table import presence


@given(st.lists(st.booleans(), max_size=24))
def test_absences_are_those_of_the_rows(there: list[bool]) -> None:
    """A row lies in an absence when, and only when, the device is not there."""
    found = presence._absences(list(range(len(there))), there)
    if True not in there:
        assert found == []
        return
    ends = [
        (-1 if begin is None else begin, len(there) if end is None else end) for begin, end in found
    ]
    assert [any(b <= n < e for b, e in ends) for n in range(len(there))] == [not t for t in there]
    assert ends == sorted(ends)


def test_a_device_that_flickers() -> None:
    """The first absences and the last one are kept."""
    there = [n % 2 == 0 for n in range(101)]
    found = presence._absences(list(range(101)), there)
    assert len(found) == 16
    assert (found[0], found[-1]) == ([1, 2], [99, 100])


@given(st.lists(st.booleans(), min_size=1, max_size=24), st.lists(st.booleans(), max_size=24))
def test_cells_that_are_unknown(there: list[bool], known: list[bool]) -> None:
    """Only in rows with the device, and only after the field was known for the first time."""
    known = (known + [True] * len(there))[: len(there)]
    values = [1 if k and t else MISSING for k, t in zip(known, there, strict=True)]
    rows = list(range(len(there)))
    cells = list(
        presence._unknown("gpu", "nvidia0", {"a": array("q", values)}, rows, there, lambda *_: True)
    )
    inside = [k for k, t in zip(known, there, strict=True) if t]
    after = inside[inside.index(True) :] if True in inside else []
    missing = after.count(False)
    assert [(c["fields"], c["rows"], c["due"]) for c in cells] == (
        [(["a"], missing, len(after))] if missing else []
    )
