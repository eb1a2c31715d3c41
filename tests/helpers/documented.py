"""The command lines in the pages of the documentation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

SHELLS = {"sh", "bash", "console"}  #: languages of code blocks
PROGRAM = r"mpi[_-]collector"


def command_lines(page: Path) -> Iterator[str]:
    """Yield the lines of the page's code blocks that start this program, in one piece, without comments."""
    for line in _lines(page):
        starts = re.match(rf"({PROGRAM}|mpirun|srun|docker|python3? -m mpi_collector)\s", line)
        if starts and _names_it(line):
            yield re.sub(r"\s+# .*", "", line)


def unknown_lines(page: Path) -> list[str]:
    """Return the lines of code blocks that name this program, and are not taken for commands."""
    known = list(command_lines(page))
    return [s for s in _lines(page) if _names_it(s) and not any(s.startswith(k) for k in known)]


def _names_it(line: str) -> bool:
    return bool(re.search(rf"(^|\s){PROGRAM}\s", line))


def _lines(page: Path) -> Iterator[str]:
    text = re.sub(r"\\\n\s*", "", page.read_text())
    for block in blocks_of(text):
        yield from block.splitlines()


def commands(page: Path) -> Iterator[list[str]]:
    """Return the words behind ``mpi_collector`` of every command in the page's code blocks."""
    for line in command_lines(page):
        words = shlex.split(line)
        at = next(n for n, w in enumerate(words) if re.fullmatch(PROGRAM, w))
        end = (n for n, w in enumerate(words) if n > at and w in ("|", "||", "&&", ">", "<"))
        yield words[at + 1 : next(end, None)]


def blocks_of(text: str) -> Iterator[str]:
    """Return the code blocks of a page: indented ones, and those of a shell or of no language."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S):
        if not language or language in SHELLS:
            yield block
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from re.findall(r"^(?:    |\t)(\S.*)$", text, flags=re.M)
