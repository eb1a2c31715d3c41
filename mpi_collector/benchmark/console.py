"""Words to whoever started the run, on stderr. The command line has one that draws on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text


def say(text: str) -> None:
    """A line of ours, whoever's words are in it; that nobody listens any more is no reason to stop."""
    try:
        print(
            f"mpi_collector: {safe_text(text, keep=LINE_CHARACTERS)}", file=sys.stderr, flush=True
        )
    except OSError:
        pass


def reason(error: Exception) -> str:
    """An error in words for people: an OSError without its number."""
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
        )
    return str(error)


class RunConsole:
    """``quiet``: warnings and errors only. ``verbose``: what was found and done on every host, too."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose and not quiet

    def say(self, text: str) -> None:
        """A warning or an error."""
        say(text)

    def inform(self, text: str) -> None:
        """What is not said when quiet."""
        if not self.quiet:
            self.say(text)

    def detail(self, text: str) -> None:
        """What only somebody who looks for a mistake wants to know."""
        if self.verbose:
            self.say(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` hosts are through with ``what``."""

    def status(self, facts: dict[str, Any]) -> None:
        """``facts``: elapsed_s, hosts, sampling, last_tick, missed, marks. About once a second, unless COMMAND runs."""
