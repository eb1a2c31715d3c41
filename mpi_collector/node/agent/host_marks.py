"""The marks of a host's recording: in the event log of its spool, and beside it where that is full.

The file beside the spool is shared with the processes that mark from the shell (spool/marks.py). A
recording in plain memory has no such file; its further marks are in memory, too.
"""

import json

from ..spool import marks
from ..spool.directory import RunDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..spool.writer import Spool


class HostMarks:
    """The marks of the recording in ``spool``."""

    def __init__(self, spool: "Spool") -> None:
        self._spool = spool
        self._path = RunDirectory.of_spool(spool.path).marks_path if spool.path else ""
        self._in_memory: "list[dict[str, Any]]" = []
        self._memory_used = 0  # bytes
        self._lost = 0  # of those in memory
        self._taken = False

    def add(self, mark: "dict[str, Any]") -> None:
        """Add a mark. MarksFullError when there is no room, OSError when it cannot be written."""
        if self._spool.event(mark):
            return
        if self._path:
            marks.append(self._path, mark)
            return
        size = len(json.dumps(mark))
        if self._memory_used + size > marks.FILE_BYTES:
            self._lost += 1
            raise marks.MarksFullError
        self._memory_used += size
        self._in_memory.append(mark)

    def take(self) -> None:
        """Copy the marks in the file into the event log as far as it has room, and note losses.

        Called again it does nothing.
        """
        if self._taken:
            return
        self._taken = True
        found, refused = marks.read_counted(self._path) if self._path else ([], 0)
        for mark in found:
            if not self._spool.event(mark):
                break
        lost = self._lost + refused
        if lost or self._spool.events_lost:
            self._spool.event(dropped(lost, self._spool.events_lost))

    def complete(self, events: "list[dict[str, Any]]") -> None:
        """Add to the events of the log the marks for which it had no room."""
        marks.add_missing(events, marks.read(self._path) if self._path else self._in_memory)

    def remove(self) -> None:
        """Remove the file."""
        if self._spool.path:
            RunDirectory.of_spool(self._spool.path).remove_marks()


def dropped(lost_marks: int, lost_events: int) -> "dict[str, Any]":
    """Return the event that says for how much there was no room."""
    return {"type": "dropped", "marks": lost_marks, "events": lost_events}
