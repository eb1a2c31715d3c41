"""The files of a recording: one, or above a number of hosts an index and its parts.

``Series`` is the one file. ``SeriesInParts`` writes the parts one after the other; each is a
complete recording of its hosts, and the index says in which one a host is. Only one part is open at
a time, and of the others nothing is in memory but the names of their hosts.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from pathlib import Path

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.run_parts import SHARDS, part_file, part_of
from mpi_collector.node.table.npy import NpzMember, text_matrix
from mpi_collector.output.files import RunFiles
from mpi_collector.output.new_file import NewFile
from mpi_collector.output.npz import NpzWriter

SHARDED_ABOVE = 1000  #: hosts; --shards auto


def hosts_per_part(hosts: int, above: int) -> int:
    """Return how many hosts a part has, 0 for one file. ``above``: of --shards, 0: never."""
    return math.isqrt(hosts - 1) + 1 if above and hosts > above else 0


class Series:
    """One ``*_timeseries.npz``. OSError when it cannot be made or written."""

    def __init__(self, files: RunFiles) -> None:
        self._new = NewFile(files.path("timeseries.npz"))
        self._writer = NpzWriter(self._new.file)

    def writer(self) -> NpzWriter:
        """Return what the next host is written with."""
        return self._writer

    def took(self, host: str) -> None:
        """Note that a host was written."""

    def finish(self, run: RunDocument) -> None:
        """Write what belongs to the whole run."""
        self._writer.finish(run)

    def recordings(self) -> list[Path]:
        """Return files that can be read as recordings by now: after ``finish``."""
        self._new.file.flush()
        return [Path(self._new.file.name)]

    def commit(self) -> None:
        """Let the files appear."""
        self._new.commit()

    def discard(self) -> None:
        """Leave nothing behind but what was committed. Raises nothing."""
        self._new.discard()


@dataclass
class _Part:
    file: str  #: relative to the index
    new: NewFile
    writer: NpzWriter
    hosts: list[str] = field(default_factory=list)


class SeriesInParts(Series):
    """An index and parts of up to ``hosts_each`` hosts."""

    def __init__(self, files: RunFiles, hosts_each: int) -> None:
        super().__init__(files)
        self._files = files
        self._hosts_each = hosts_each
        self._parts: list[_Part] = []

    def writer(self) -> NpzWriter:
        if not self._parts or len(self._parts[-1].hosts) >= self._hosts_each:
            if self._parts:
                _put_away(self._parts[-1])
            self._parts.append(self._new_part(len(self._parts)))
        return self._parts[-1].writer

    def _new_part(self, number: int) -> _Part:
        index = self._files.path("timeseries.npz")
        file = part_file(index.stem, number)
        # its directory appears with it: what is not finished lies beside the index
        new = NewFile(index.parent / file, beside=index)
        return _Part(file, new, NpzWriter(new.file))

    def took(self, host: str) -> None:
        self._parts[-1].hosts.append(host)

    def finish(self, run: RunDocument) -> None:
        if self._parts:
            _put_away(self._parts[-1])
        for part in [p for p in self._parts if not p.hosts]:
            part.new.discard()
            self._parts.remove(part)
        for part in self._parts:
            part.new.reopen()
            part.writer.go_on(part.new.file)
            part.writer.finish(part_of(run, part.hosts, Path(part.file).stem))
            part.new.close()
        pairs = [[host, part.file] for part in self._parts for host in part.hosts]
        self._writer.add([NpzMember("npz", SHARDS, [text_matrix(pairs)])])
        self._writer.finish(run)

    def recordings(self) -> list[Path]:
        return [Path(part.new.file.name) for part in self._parts]

    def commit(self) -> None:
        """Let the parts appear, then the index. OSError: nothing has."""
        done: list[Path] = []
        directory = self._files.path("timeseries")
        try:
            if self._parts:
                directory.mkdir()
            for part in self._parts:
                part.new.commit()
                done.append(part.new.path)
            super().commit()
        except BaseException:
            for path in done:
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there was something before
                directory.rmdir()
            raise

    def discard(self) -> None:
        super().discard()
        for part in self._parts:
            part.new.discard()


def _put_away(part: _Part) -> None:
    part.writer.put_away()
    part.new.close()
