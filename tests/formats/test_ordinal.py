"""Ordinal numbers."""

from __future__ import annotations

from mpi_collector.formats.ordinal import ordinal


def test_endings() -> None:
    numbers = (0, 1, 2, 3, 4, 11, 12, 13, 21, 22, 64, 101, 111, 1002)
    assert " ".join(ordinal(n) for n in numbers) == (
        "0th 1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 64th 101st 111th 1002nd"
    )
