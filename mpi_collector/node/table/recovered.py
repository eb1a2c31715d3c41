"""A spool that a dead process left, with the interface of a Recorder at the end of its run."""

from ..clock import Timeline
from ..errors import SpoolError
from ..forms import is_file_name
from ..row.layout import STOP_TICK
from ..spool import marks
from ..spool.backup import open_any
from ..spool.directory import RunDirectory
from .facts import facts_of
from .pack import pack
from .table import SampleTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Protocol, TypeVar

    from .facts import HostFacts
    from .npy import NpzMember

    T = TypeVar("T")

    class FinishedRecording(Protocol):
        """What a Recorder and a RecoveredSpool have in common once sampling has ended."""

        key: str

        def facts(self) -> HostFacts:
            """Return the facts of the host."""

        def pack(self, json: bool) -> "Iterator[NpzMember]":
            """Yield the members of the host.

            ``json``: the suite's samples too, if it can encode them.
            """

        def discard(self) -> None:
            """Remove the spool: the recording is safely stored elsewhere."""

        def rescue(self) -> None:
            """Save the recording in --rescue-dir."""

        def close(self) -> None:
            """Release memory and locks; the spool stays."""


#: what a spool with right checksums and impossible contents may raise
IMPOSSIBLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
)


class RecoveredSpool:
    """A FinishedRecording read from a spool.

    SpoolError when it cannot be read or its writer lives.
    """

    def __init__(self, spool_dir: str, run: str, key: str) -> None:
        for name in (run, key):
            if not is_file_name(name):
                raise SpoolError("%r is not the name of a spool" % name)
        self.key = key
        self.sampler = None  #: as of a Recorder: it does not sample
        self._directory = RunDirectory(spool_dir, run, key)
        self.path = self._directory.spool_path(key)
        self._table: "SampleTable | None" = self._checked(lambda: SampleTable(open_any(self.path)))
        if not self.table.grid:
            raise SpoolError("%s: sampling never started" % self.path)
        self._checked(self._add_marks)
        self._about = self._checked(self._describe)

    @property
    def table(self) -> "SampleTable":
        """The recording. RuntimeError after ``discard`` or ``close``."""
        if self._table is None:
            raise RuntimeError("%s: closed" % self.path)
        return self._table

    def _checked(self, work: "Callable[[], T]") -> "T":
        """Return what ``work`` returns; SpoolError when the contents of the spool make it fail."""
        try:
            return work()
        except IMPOSSIBLE as e:
            raise SpoolError("%s: damaged: %s: %s" % (self.path, type(e).__name__, e)) from e

    def _add_marks(self) -> None:
        """Add the marks beside the spool that are not in its event log."""
        events = self.table.events
        found, refused = marks.read_counted(self._directory.marks_path)
        marks.add_missing(events, found)
        if refused and not any(e["type"] == "dropped" for e in events):
            events.append({"type": "dropped", "marks": refused, "events": 0})

    def about(self) -> "dict[str, Any]":
        """Return what the run document needs: meta, grid, clock_bound_ns, end_ns, facts."""
        return self._about

    def _describe(self) -> "dict[str, Any]":
        table = self.table
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

    def facts(self) -> "HostFacts":
        """Return the facts of the host."""
        return facts_of(self.table)

    def pack(self, json: bool) -> "Iterator[NpzMember]":
        """Return the members of the host; the suite's samples are not encoded here."""
        del json
        return iter(self._checked(lambda: list(pack(self.table, self.key))))

    def discard(self) -> None:
        """Remove the spool, and the directories that are empty then."""
        self._table = None
        self._directory.discard(self.key)

    def rescue(self) -> None:
        """No-op: a recovered spool is already on disk."""

    def close(self) -> None:
        """Release the spool's memory and lock."""
        self._table = None
