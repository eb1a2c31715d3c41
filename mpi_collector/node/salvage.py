"""What a dead run left on this host: its spools, found, judged and packed like a recorder's own."""

import fcntl
import os
import stat

from . import marks
from .clock import Timeline
from .layout import STOP_TICK
from .pack import Table, facts_of, pack
from .rescue import open_any
from .spool import SpoolError, remove_spool, user_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

OTHERS = ("stop", marks.FILE_NAME)  #: files in a run's directory that are no spools


def find(spool_dir: str) -> list:
    """[{"dir", "run", "key", "bytes", "mtime", "alive"}] of this user's spools. What is not ours or no file is passed over."""
    base = os.path.join(spool_dir, user_directory())
    out = []
    for run in _names(base):
        for key in _names(os.path.join(base, run)):
            path = os.path.join(base, run, key)
            try:
                info = os.lstat(path)
            except OSError:
                continue
            # a name with a dot in front is of a file that is being written
            if (
                key not in OTHERS
                and key[0] != "."
                and stat.S_ISREG(info.st_mode)
                and info.st_uid == os.getuid()
            ):
                out.append({"dir": spool_dir, "run": run, "key": key, "bytes": info.st_size, "mtime": int(info.st_mtime),
                            "alive": held(path)})  # fmt: skip
    return out


def _names(path: str) -> list:
    try:
        return sorted(os.listdir(path)) if not os.path.islink(path) else []
    except OSError:
        return []


def held(path: str) -> bool:
    """True while a process holds the lock on a spool."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class Salvaged:
    """One spool, with the face of a Recorder at its end. SpoolError when it cannot be read or its writer lives."""

    def __init__(self, spool_dir: str, run: str, key: str) -> None:
        for name in (run, key):
            if not name or "/" in name or name in (".", ".."):
                raise SpoolError("%r is no name of a spool" % name)
        self.key = key
        self.path = os.path.join(spool_dir, user_directory(), run, key)
        self.sampler: "Any" = None
        self._table = self._sane(lambda: Table(open_any(self.path)))
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
            self._table.events.extend(marks.read(marks.path_in(os.path.dirname(self.path))))

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
        discard(self.path)

    def rescue(self) -> None:
        """It has been through worse."""

    def close(self) -> None:
        self._table = None


def discard(path: str) -> None:
    """Remove a spool, and what lies beside it when it was the last."""
    directory = os.path.dirname(path)
    remove_spool(path)
    if not [n for n in _names(directory) if n not in OTHERS]:
        for name in OTHERS:
            remove_spool(os.path.join(directory, name))
