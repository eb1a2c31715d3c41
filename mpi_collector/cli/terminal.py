"""Messages, progress bar and status line of a run.

On a terminal the bar (of steps that take longer than a second) and the status line are redrawn in
place, the status once a second. Elsewhere there is neither.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from mpi_collector.benchmark.console import RunConsole

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress

_BAR_AFTER_S = 1.0
_STATUS_EVERY_S = 1.0


class Terminal(RunConsole):
    """A console that draws on a terminal, if stderr is one."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet, verbose)
        self._interactive = sys.stderr.isatty() and not quiet
        self._console: Console | None = None
        self._bar: Progress | None = None
        self._live: Live | None = None
        self._what = ""
        self._since = 0.0
        self.status_every_s = _STATUS_EVERY_S if self._interactive else None

    def write(self, text: str) -> None:
        """Clear bar and status line, then write the message."""
        self.clear()
        super().write(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """Draw the bar: ``done`` of ``total`` hosts have finished the step ``what``."""
        if not self._interactive:
            return
        now = time.monotonic()
        if what != self._what:
            self.clear()
            self._what, self._since = what, now
        if done >= total:
            self.clear()
        elif now - self._since >= _BAR_AFTER_S:
            self._draw_bar(what, done, total)

    def _draw_bar(self, what: str, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("hosts"),
            )
            self._bar = Progress(
                *columns, console=self._stderr(), transient=True, auto_refresh=False
            )
            self._bar.add_task(what, total=total, completed=done)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, refresh=True)

    def status(self, facts: dict[str, Any]) -> None:
        """Show elapsed_s, hosts, sampling, last_tick, missed, marks."""
        if self._interactive:
            self._draw_status(status_line(facts))

    def _draw_status(self, text: str) -> None:
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            # without rich's thread that redraws: it would cost CPU time
            self._live = Live(console=self._stderr(), auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(text, overflow="ellipsis", no_wrap=True), refresh=True)

    def clear(self) -> None:
        """Remove the bar and the status line from the screen."""
        if self._bar is not None:
            self._bar.stop()
        if self._live is not None:
            self._live.stop()
        self._bar, self._live, self._what = None, None, ""

    def _stderr(self) -> Console:
        from rich.console import Console

        if self._console is None:
            self._console = Console(stderr=True)
        return self._console


def status_line(facts: dict[str, Any]) -> str:
    """Return elapsed time, hosts, tick, missed ticks and marks in a line."""
    minutes, seconds = divmod(int(facts["elapsed_s"]), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"recording {hours}:{minutes:02}:{seconds:02}",
        f"{facts['sampling']} of {facts['hosts']} hosts sampling",
    ]
    parts.append(f"tick {facts['last_tick']}" if facts["last_tick"] >= 0 else "no tick yet")
    parts.append(f"{facts['missed']} missed")
    if facts["marks"]:
        parts.append(f"{facts['marks']} marks")
    return ", ".join(parts)
