"""Messages to the user of a run, on stderr. cli/terminal.py has the console of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from mpi_collector.node.status import STATUS_NAMES
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text
from mpi_collector.transport.base import HostState


def print_message(text: str) -> None:
    """Print one message of this program on stderr.

    The text may quote hosts and files, so it is escaped. A closed or broken stderr is ignored: it
    is no reason to stop a recording.
    """
    try:
        print(
            f"mpi_collector: {safe_text(text, keep=LINE_CHARACTERS)}", file=sys.stderr, flush=True
        )
    except OSError:
        pass


def error_text(error: Exception) -> str:
    """Return the text of an error for a message: of an OSError file and reason, not its number."""
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
        )
    return str(error)


def error_reason(error: Exception) -> str:
    """Return why something failed, without the name of a file."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


class RunConsole:
    """Messages of a run, by level. ``quiet``: only ``warn``. ``verbose``: ``debug`` too.

    ``status_every_s``: how often ``status`` is to be called; None: never.
    """

    status_every_s: float | None = None

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose and not quiet

    def write(self, text: str) -> None:
        """Write a message whatever the level."""
        print_message(text)

    def warn(self, text: str) -> None:
        """Write a warning or an error."""
        self.write(text)

    def info(self, text: str) -> None:
        """Write a message unless the run is quiet."""
        if not self.quiet:
            self.write(text)

    def debug(self, text: str) -> None:
        """Write a message that only helps to find a fault, if the run is verbose."""
        if self.verbose:
            self.write(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` hosts have finished the step ``what``."""

    def status(self, facts: dict[str, Any]) -> None:
        """Show elapsed_s, hosts, sampling, last_tick, missed, marks.

        Not called while COMMAND shares the terminal.
        """


def described(host: HostState) -> str:
    """Return a line on a host that is ready to sample."""
    ready = host.ready
    bound = (
        f"{host.clock_bound_ns / 1e3:.1f} us" if host.clock_bound_ns is not None else "not known"
    )
    absent = (
        ", ".join(
            f"{name} {STATUS_NAMES[status]}" for name, status in ready.get("absent", {}).items()
        )
        or "nothing"
    )
    place = ready.get("spool") or "plain memory"
    return (
        f"{host.key}: {ready.get('columns')} columns, {ready.get('rows')} rows in {place}, "
        f"clock bound {bound}, without {absent}"
    )


def listed(problems: Mapping[str, str | None]) -> str:
    """Return all problems, {host: why}, in one line."""
    return "; ".join(f"{host}: {why}" for host, why in problems.items())
