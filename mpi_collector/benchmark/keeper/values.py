"""What a keeper is given and what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpi_collector.formats.run_document import Mark


Step = tuple[str, tuple[Any, ...]]  #: a method of the sink and its arguments


class Screen(NamedTuple):
    """What text is to look like. width: columns; None: those of the terminal."""

    terminal: bool
    width: int | None
    encoding: str


class RecordedCommand(NamedTuple):
    """COMMAND, as far as the places of its files depend on it. Times: UTC ns."""

    words: list[str]
    begin_ns: int  #: of the recording
    end_ns: int
    suite_run: Path | None = None  #: the suite's run directory, where it is known
    beside_suite: bool = False  #: it is looked for, and the files of the recording go there


class FoundMarks(NamedTuple):
    """Marks that were found in directories, and the reasons why others were not."""

    marks: list[Mark]
    problems: list[str]
    notes: list[str]  #: what is worth a word, and no problem
    lost: int = 0  #: marks for which there was no room
