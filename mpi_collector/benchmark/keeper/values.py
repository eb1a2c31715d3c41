"""What a keeper is given and what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpi_collector.formats.run_document import Mark


class Screen(NamedTuple):
    """What text is to look like. width: columns; None: those of the terminal."""

    terminal: bool
    width: int | None
    encoding: str


class FoundMarks(NamedTuple):
    """Marks that were found in directories, and the reasons why others were not."""

    marks: list[Mark]
    problems: list[str]
