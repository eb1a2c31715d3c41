"""A recording read back: ``load(path)["node1"].rate("diskstats.nvme0n1.sectors_read")``.

Nothing is read before it is asked for, and then host by host and member by member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.run_parts import without
from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.store.clip import Stretch, union
from mpi_collector.store.figure_table import FigureTable
from mpi_collector.store.host_members import HostMembers, MemberFile, RecordingFile
from mpi_collector.store.parts import Parts
from mpi_collector.store.phases import Phase, phases_of
from mpi_collector.store.recorded_host import HostWindow, RecordedHost

if TYPE_CHECKING:
    import pandas


class Recording(Mapping[str, RecordedHost]):
    """Hosts by key, and the run document. Close it, or use it in a ``with`` statement."""

    run: RunDocument
    #: what ``why`` asks; ``mpi_collector.load`` sets it, since the analysis is a layer above
    analyse: Callable[..., WhyDocument] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = RecordingFile(path)
        self._parts: Parts | None = None
        try:
            self.run = self._file.run()
            shards = self._file.shards(self.run)
            if shards is not None:
                self._parts = Parts(path, shards, self.run)
                if self._parts.missing:
                    self.run = without(self.run, self._parts.missing)
        except RecordingError:
            self._file.close()
            raise
        self._hosts: dict[str, RecordedHost] = {key: self.fresh(key) for key in self.run["hosts"]}

    def member(self, name: str) -> npt.NDArray[Any]:
        """Return a stored array. RecordingError when there is none or it is damaged."""
        host = name.partition("/")[0]
        file = self._file_of(host) if host in self._hosts else self._file
        return file.read(name, lambda npz, of: npz.array(of))

    def _file_of(self, host: str) -> MemberFile:
        return self._file if self._parts is None else self._parts.of(host)

    def __getitem__(self, key: str) -> RecordedHost:
        return self._hosts[key]

    def fresh(self, key: str) -> RecordedHost:
        """Return the host again, with nothing of it in memory."""
        return RecordedHost(HostMembers(self._file_of(key), key, self.run["facts"][key]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def during(self, phase: str) -> Recording:
        """Return the part of all hosts in a phase: all stretches of this name, on any host.

        KeyError names the phases there are.
        """
        found = [p for p in self.marks if p.name == phase]
        if not found:
            known = ", ".join(dict.fromkeys(p.name for p in self.marks)) or "none"
            raise KeyError(f"{self.path} has no phase {phase!r}; there are: {known}")
        return Window(self, [(p.begin_ns, p.end_ns) for p in found])

    def between(self, begin_ns: int, end_ns: int) -> Recording:
        """Return the part of all hosts between two moments, UTC ns."""
        return Window(self, [(begin_ns, end_ns)])

    @property
    def stretches(self) -> list[Stretch] | None:
        """The stretches of time that a part of a recording covers, UTC ns; None: all of it."""
        return None

    def why(self, phase: str | None = None, host: str | None = None) -> WhyDocument:
        """Return what limited the run, or one phase or host of it, as ``why --json`` prints it.

        KeyError names the phases or hosts there are.
        """
        if self.analyse is None:
            raise TypeError("open the recording with mpi_collector.load()")
        return self.analyse(self, phase=phase, host=host)

    def to_pandas(self, tidy: bool = False) -> pandas.DataFrame:
        """Return a frame of all hosts (``to_pandas.recording_frame``); pandas must be installed."""
        from mpi_collector.store.to_pandas import recording_frame

        return recording_frame(self, tidy)

    def figures(self, hosts: Sequence[str] | None = None) -> FigureTable:
        """Return the figures of ``hosts`` over time, by default of all; nothing is read yet."""
        return FigureTable(self, list(self) if hosts is None else hosts)

    @cached_property
    def marks(self) -> list[Phase]:
        """Phases and moments that were marked, in order of time."""
        return phases_of(self.run.get("marks", []), self.run["end_ns"])

    @cached_property
    def knots(self) -> list[int]:
        """The times of all marks, UTC ns, in order: where the work may have changed."""
        return sorted({t for p in self.marks for t in (p.begin_ns, p.end_ns)})

    def close(self) -> None:
        self._file.close()
        if self._parts is not None:
            self._parts.close()


class Window(Recording):
    """The hosts of a recording in one stretch of time or several. Reads from that recording."""

    def __init__(self, whole: Recording, stretches: Sequence[Stretch]) -> None:
        self.path = whole.path
        self._stretches = union(stretches) or list(stretches[:1])
        # ticks still count from the run's start
        ends = (self._stretches[0][0], self._stretches[-1][1])
        self.run = {**whole.run, "window_ns": list(ends)}
        self._whole = whole
        self.analyse = whole.analyse
        self._hosts = {key: self._window(host) for key, host in whole.items()}

    def _window(self, host: RecordedHost) -> RecordedHost:
        return HostWindow(host, self._stretches, self._whole.knots)

    @property
    def stretches(self) -> list[Stretch] | None:
        return self._stretches

    def member(self, name: str) -> npt.NDArray[Any]:
        return self._whole.member(name)

    def fresh(self, key: str) -> RecordedHost:
        return self._window(self._whole.fresh(key))

    def close(self) -> None:
        """Nothing: the whole recording stays open."""
