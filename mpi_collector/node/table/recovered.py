"""A spool that a dead process left, with the interface of a Recorder at the end of its run."""

from ..clock import Timeline
from ..errors import SpoolError
from ..row.layout import STOP_TICK
from ..spool import marks
from ..spool.backup import open_any
from ..spool.directory import RunDirectory
from .facts import facts_of
from .pack import pack
from .table import SampleTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


class RecoveredSpool:
    """One spool, with the face of a Recorder at its end. SpoolError when it cannot be read or its writer lives."""

    def __init__(self, spool_dir: str, run: str, key: str) -> None:
        for name in (run, key):
            if not name or "/" in name or name in (".", ".."):
                raise SpoolError("%r is no name of a spool" % name)
        self.key = key
        self._directory = RunDirectory(spool_dir, run)
        self.path = self._directory.spool_path(key)
        self.sampler: "Any" = None
        self._table = self._sane(lambda: SampleTable(open_any(self.path)))
        if not self._table.grid:
            raise SpoolError("%s: sampling never started" % self.path)
        self._add_marks()
        self._about = self._sane(self._describe)

    def _sane(self, work: "Any") -> "Any":
        """A spool with right checksums and events that cannot be is damaged, too, or not of this version."""
        try:
            return work()
        except (
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            OverflowError,
            ZeroDivisionError,
        ) as e:
            raise SpoolError("%s: damaged: %s: %s" % (self.path, type(e).__name__, e)) from e

    def _add_marks(self) -> None:
        """Those that were left beside it and that nobody took at a stop."""
        if not any(e["type"] == "end" for e in self._table.events):
            self._table.events.extend(marks.read(self._directory.marks_path))

    def about(self) -> dict:
        """What the run's document needs of this host."""
        return self._about  # type: ignore[no-any-return]

    def _describe(self) -> dict:
        table = self._table
        timeline = Timeline.from_events(table.events)
        begins = table.head("begin_mono_ns")
        rows = [b for b, t in zip(begins, table.ticks) if t != STOP_TICK]
        return {
            "meta": {k: table.meta.get(k) for k in ("benchmark", "stem", "options", "identity")},
            "grid": table.grid,
            "clock_bound_ns": max([timeline.bound_ns(b) for b in rows] or [0]),
            "end_ns": timeline.utc_ns(begins[-1]) if len(table) else None,
            "facts": facts_of(table),
        }

    @property
    def table(self) -> "Any":
        return self._table

    def facts(self) -> dict:
        return facts_of(self._table)

    def pack(self, json: bool) -> "Iterator":
        del json
        return iter(self._sane(lambda: list(pack(self._table, self.key))))

    def discard(self) -> None:
        """Its rows are safe elsewhere: remove it, and the directories that are empty then."""
        self._table = None
        self._directory.discard(self.key)

    def rescue(self) -> None:
        """It has been through worse."""

    def close(self) -> None:
        self._table = None
