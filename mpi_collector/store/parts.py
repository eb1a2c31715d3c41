"""The files of a recording that is in parts: each is opened when one of its hosts is read."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from mpi_collector.errors import RecordingError
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.store.host_members import MemberFile, RecordingFile
from mpi_collector.store.safe_npz import NpzReader

_T = TypeVar("_T")
_OPEN_MOST = 4  #: parts at a time; the directory of each is in memory


class Parts:
    """The parts of the recording ``index``. ``files``: {host: its file, relative to that}.

    ``missing``: {host: why} of the hosts whose file is not there.
    """

    def __init__(self, index: Path, files: Mapping[str, str], run: RunDocument) -> None:
        self._directory = index.parent
        self._files = files
        self._run = run
        self._open: OrderedDict[str, RecordingFile] = OrderedDict()
        absent = {file: why for file in {*files.values()} if (why := self._absent(file))}
        self.missing = {host: absent[file] for host, file in files.items() if file in absent}

    def _absent(self, file: str) -> str:
        """Return why there is no such file, "" when there is one.

        RecordingError for what is none of ours: it might be anywhere.
        """
        path = self._directory / file
        try:
            if not stat.S_ISDIR(os.lstat(path.parent).st_mode):
                raise RecordingError(
                    f"{path.parent}: no directory of a recording, or a link to one"
                )
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode):
                raise RecordingError(f"{path}: no regular file")
        except OSError as e:
            return f"{file}: {e.strerror}"
        return "" if info.st_size else f"{file} is empty"

    def of(self, host: str) -> MemberFile:
        """Return what to read the members of a host from."""
        return _Part(self, self._files[host])

    def opened(self, file: str) -> RecordingFile:
        """Return the open file. RecordingError when it is none of this run's."""
        found = self._open.get(file)
        if found is None:
            found = self._opened(file)
            self._open[file] = found
            while len(self._open) > _OPEN_MOST:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(file)
        return found

    def _opened(self, file: str) -> RecordingFile:
        found = RecordingFile(self._directory / file)
        try:
            run = found.run()
            due = {host for host, of in self._files.items() if of == file}
            if run.get("run") != self._run.get("run"):
                raise RecordingError(f"{found.path}: a part of another run, {run.get('run')}")
            for host in sorted(due):
                if run["facts"].get(host) != self._run["facts"][host]:
                    raise RecordingError(f"{found.path}: not the part that has host {host!r}")
        except RecordingError:
            found.close()
            raise
        return found

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


class _Part:
    """The file of a host."""

    def __init__(self, parts: Parts, file: str) -> None:
        self._parts = parts
        self._file = file

    def _opened(self) -> RecordingFile:
        return self._parts.opened(self._file)

    def read(self, name: str, how: Callable[[NpzReader, str], _T]) -> _T:
        return self._opened().read(name, how)

    def damaged(self, name: str, why: str) -> RecordingError:
        return self._opened().damaged(name, why)

    def document(self, name: str, check: Callable[[object], _T]) -> _T:
        return self._opened().document(name, check)
