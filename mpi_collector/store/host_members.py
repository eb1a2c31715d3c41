"""The file of a recording, and the stored arrays of a host, each checked against the others.

A host's facts bound its ticks, which prove how many rows there are; rows and columns are the shape
of everything else. A member of any other shape is refused before memory is taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.formats.run_document import RunDocument, checked
from mpi_collector.formats.run_forms import META
from mpi_collector.formats.run_parts import SHARDS, checked_files
from mpi_collector.node import strict_json
from mpi_collector.node.row.layout import STOP_TICK, Layout
from mpi_collector.node.status import STATUS_NAMES
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.node.table.table import layout_without_spares
from mpi_collector.store.safe_npz import NpzReader

_T = TypeVar("_T")
_NAME_CHARACTERS = 1024  #: of a column
_WORD_CHARACTERS = 64  #: of a unit, a kind, a source
_SOURCES_MAX = 1024
_PATH_CHARACTERS = 512  #: of the file of a part
_VALUES_MAX = 1 << 21  #: of a document; the run document of 10,000 hosts has 600,000
_KINDS = {"counter", "gauge"}
_BY_ROW = (
    "timestamp_ns",
    "clock_bound_ns",
    "begin_mono_ns",
    "begin_wall_ns",
    "late_ns",
    "duration_ns",
    "flags",
)
_BY_SOURCE = ("source_begin_ns", "source_duration_ns", "source_status")
#: members of a host that do not have one entry per row
NOT_BY_ROW = ("columns", "units", "kinds", "sources", "meta")


class RecordingFile:
    """An open recording. Every method raises RecordingError, which names file and member."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._npz = NpzReader(path)
        except OSError as e:
            raise RecordingError(f"{path}: not a recording: {e.strerror or e}") from e
        except ValueError as e:
            raise RecordingError(f"{path}: not a recording, or cut off: {e}") from e

    def close(self) -> None:
        self._npz.close()

    def read(self, name: str, how: Callable[[NpzReader, str], _T]) -> _T:
        """Return what ``how`` reads of the member ``name``."""
        try:
            return how(self._npz, name)
        except KeyError:
            raise RecordingError(f"{self.path}: no member {name!r}") from None
        except (ValueError, RecursionError) as e:
            raise self.damaged(name, str(e)) from e

    def damaged(self, name: str, why: str) -> RecordingError:
        return RecordingError(f"{self.path}: damaged at member {name!r}: {why}")

    def document(self, name: str, check: Callable[[object], _T]) -> _T:
        """Return a stored JSON document. ``check``: raises ValueError for one that is none."""
        return self.read(name, lambda npz, of: check(strict_json.loads(npz.text(of), _VALUES_MAX)))

    def run(self) -> RunDocument:
        """Return the run document."""
        return self.document("run", checked)

    def shards(self, run: RunDocument) -> dict[str, str] | None:
        """Return {host: file of its part} where the recording is in parts, else None."""

        def shards_of(npz: NpzReader, name: str) -> dict[str, str] | None:
            if name not in npz:
                return None
            return checked_files(npz.pairs(name, len(run["hosts"]), _PATH_CHARACTERS), run)

        return self.read(SHARDS, shards_of)


class MemberFile(Protocol):
    """What a host's members are read from: a RecordingFile, or one that is opened when needed."""

    def read(self, name: str, how: Callable[[NpzReader, str], _T]) -> _T: ...

    def damaged(self, name: str, why: str) -> RecordingError: ...

    def document(self, name: str, check: Callable[[object], _T]) -> _T: ...


class HostMembers:
    """The stored arrays of the host ``key``. ``facts``: what the run document says of it."""

    def __init__(self, file: MemberFile, key: str, facts: HostFacts) -> None:
        self.key = key
        self._file = file
        self._facts = facts

    @cached_property
    def tick(self) -> npt.NDArray[np.int64]:
        """int64 (rows,)."""
        rows = self._facts["samples"]
        found = self._read("tick", lambda npz, name: npz.ticks(name, rows))
        if int(found.max(initial=STOP_TICK)) > self._facts["last_tick"]:
            raise self._damaged("tick", "a tick after the last one")
        return found

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns, all different."""
        most = self._facts["columns"]
        return self._read(
            "columns", lambda npz, name: npz.texts(name, most, _NAME_CHARACTERS, distinct=True)
        )

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources, all different."""
        return self._read(
            "sources", lambda npz, name: npz.texts(name, _SOURCES_MAX, _WORD_CHARACTERS, True)
        )

    def of_columns(self, name: str) -> list[str]:
        """Return ``units`` or ``kinds``, one per column."""
        due = len(self.columns)
        found = self._read(name, lambda npz, of: npz.texts(of, due, _WORD_CHARACTERS))
        if len(found) != due:
            raise self._damaged(name, f"{len(found)} of them for {due} columns")
        if name == "kinds" and (strange := set(found) - _KINDS):
            raise self._damaged(name, repr(sorted(strange)[0]))
        return found

    def meta(self) -> dict[str, Any]:
        """Return the document ``meta``."""
        return self._file.document(f"{self.key}/meta", _checked_meta)

    def layout(self, meta: Mapping[str, Any]) -> Layout:
        """Return the layout of the columns, by ``meta``; KeyError when that has none."""
        found = layout_without_spares(meta)
        if [c.name for c in found.columns()] != self.columns:
            raise self._damaged("meta", "its layout has other columns than the recording")
        if found.sources != self.sources:
            raise self._damaged("meta", "its layout has other sources than the recording")
        return found

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return any member, by its name behind ``HOST/``."""
        if name == "tick":
            return self.tick
        if name in _BY_ROW:
            found = self._ints(name, len(self.tick))
            if name == "timestamp_ns" and (found < 0).any():
                raise self._damaged(name, "a time before 1970")
            return found
        if name in _BY_SOURCE:
            found = self._ints(name, len(self.tick), len(self.sources))
            if name == "source_status" and ((found < 0) | (found >= len(STATUS_NAMES))).any():
                raise self._damaged(name, "a status that there is not")
            return found
        if name == "values":
            return self._ints(name, len(self.tick), len(self.columns))
        if name in ("columns", "sources"):
            return np.array(getattr(self, name), dtype=str)
        if name in ("units", "kinds"):
            return np.array(self.of_columns(name), dtype=str)
        return self._read(name, lambda npz, of: npz.array(of))

    def _ints(self, name: str, *shape: int) -> npt.NDArray[np.int64]:
        return self._read(name, lambda npz, of: npz.ints(of, shape))

    def _read(self, name: str, how: Callable[[NpzReader, str], _T]) -> _T:
        return self._file.read(f"{self.key}/{name}", how)

    def _damaged(self, name: str, why: str) -> RecordingError:
        return self._file.damaged(f"{self.key}/{name}", why)


def _checked_meta(document: object) -> dict[str, Any]:
    META.check(document)
    return cast("dict[str, Any]", document)
