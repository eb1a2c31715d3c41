"""Marks as phases."""

from __future__ import annotations

from typing import Any

from mpi_collector.store.phases import Phase, phases_of


def mark(text: str, edge: str, at: int, host: str | None = "a") -> dict[str, Any]:
    return {"text": text, "edge": edge, "utc_ns": at, "host": host}


def test_pairs() -> None:
    """By name and host; nested ones of one name from the inside out; what is open lasts until the end."""
    marks = [
        mark("e", "end", 9),
        mark("e", "begin", 1),
        mark("e", "begin", 2),
        mark("e", "end", 4),
        mark("p", "point", 3),
        mark("e", "begin", 5, "b"),
        mark("lone", "end", 6),
    ]
    assert phases_of(marks, 20) == [
        Phase("e", 1, 9, "a"),
        Phase("e", 2, 4, "a"),
        Phase("p", 3, 3, "a"),
        Phase("e", 5, 20, "b"),
        Phase("lone", 6, 6, "a"),
    ]
    assert phases_of([mark("late", "begin", 30)], 20) == [Phase("late", 30, 30, "a")]
