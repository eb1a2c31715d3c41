"""A recording read back: ``load(path)["node1"].rate("diskstats.nvme0n1.sectors_read")``.

Nothing is read before it is asked for, and then host by host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.formats.run_document import RunDocument, checked
from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.store import safe_npz
from mpi_collector.store.phases import Phase, phases_of

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


class Host:
    """The recording of one host. Arrays have one entry per row, in the order of time; the last is the stop row."""

    def __init__(self, recording: Recording, key: str) -> None:
        self._recording, self.key = recording, key
        self._matrix: Int64 | None = None

    def __repr__(self) -> str:
        return f"<Host {self.key}: {len(self)} rows, {len(self.columns)} columns>"

    def __len__(self) -> int:
        return int(self.tick.shape[0])

    def array(self, name: str) -> Any:
        """A stored array by its name behind ``HOST/`` (the file's README member lists them)."""
        return self._recording.member(f"{self.key}/{name}")

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Identity, options, layout, clock measurements and events of this host."""
        return dict(self._recording.document(f"{self.key}/meta"))

    @cached_property
    def columns(self) -> list[str]:
        """Column names, ``source.field`` or ``source.device.field``."""
        return [str(c) for c in self.array("columns")]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.columns)}

    @cached_property
    def _units(self) -> list[str]:
        return self._of_columns("units")

    @cached_property
    def _kinds(self) -> list[str]:
        found = self._of_columns("kinds")
        if strange := set(found) - {"counter", "gauge"}:
            raise RecordingError(
                f"{self._recording.path}: damaged at member '{self.key}/kinds': {sorted(strange)[0]!r}"
            )
        return found

    def _of_columns(self, name: str) -> list[str]:
        found = [str(text) for text in np.ravel(self.array(name))]
        if len(found) != len(self.columns):
            where = f"{self._recording.path}: damaged at member '{self.key}/{name}'"
            raise RecordingError(f"{where}: {len(found)} of them for {len(self.columns)} columns")
        return found

    @cached_property
    def tick(self) -> Int64:
        """int64 (rows,): the tick of the grid; -1 for the extra row taken at the stop."""
        return self._column("tick")

    @cached_property
    def timestamp_ns(self) -> Int64:
        """int64 (rows,): UTC ns of the row's begin on the time line that all hosts share."""
        return self._column("timestamp_ns")

    def _column(self, name: str) -> Int64:
        found = np.asarray(self.array(name), dtype=np.int64)
        if found.ndim != 1 or (name != "tick" and len(found) != len(self)):
            where = f"{self._recording.path}: damaged at member '{self.key}/{name}'"
            raise RecordingError(f"{where}: {found.shape} values where {len(self)} are due")
        return found

    @property
    def values(self) -> Int64:
        """int64 (rows, columns), ``-2**63`` where a value is missing. Kept once it was read; ``release()`` lets go of it."""
        if self._matrix is None:
            found = np.asarray(self.array("values"), dtype=np.int64)
            if found.shape != (len(self), len(self.columns)):
                name, size = f"{self.key}/values", (len(self), len(self.columns))
                where = f"{self._recording.path}: damaged at member {name!r}"
                raise RecordingError(f"{where}: {found.shape} values where {size} are due")
            self._matrix = found
        return self._matrix

    def release(self) -> None:
        """Free the memory of ``values``."""
        self._matrix = None

    def _at(self, name: str) -> int:
        try:
            return self._index[name]
        except KeyError:
            near = [c for c in self.columns if name.rsplit(".", 1)[-1] in c][:3]
            hint = f"; there is {', '.join(near)}" if near else ""
            raise KeyError(f"{self.key} has no column {name!r}{hint}") from None

    def unit(self, name: str) -> str:
        """Unit of a column as it is stored."""
        return self._units[self._at(name)]

    def kind(self, name: str) -> str:
        """``counter`` or ``gauge``."""
        return self._kinds[self._at(name)]

    def raw(self, name: str) -> Int64:
        """int64 (rows,): a column as stored; counters modulo 2^64, missing = -2^63."""
        return self.values[:, self._at(name)]

    def value(self, name: str) -> Float64:
        """float64 (rows,): a column with NaN where it is missing, counters above 2^63 unsigned."""
        raw = self.raw(name)
        out = raw.astype(np.float64)
        out[raw < 0] += 2.0**64
        out[raw == MISSING] = np.nan
        return out

    def delta(self, name: str) -> Float64:
        """float64 (rows - 1,): growth of a counter from each row to the next.

        NaN where either side is missing or where the counter was reset: one that falls has been reset, unless it wrapped
        at 2^32 or 2^64, which shows in a small growth modulo that size.
        """
        return grown(self.raw(name))

    def rate(self, name: str) -> Float64:
        """float64 (rows - 1,): growth per second of a counter between neighbouring rows, by their exact times.

        Unit: that of the column, per second. NaN as in ``delta``. ValueError for a gauge.
        """
        if self.kind(name) != "counter":
            raise ValueError(
                f"{name} is a gauge; only counters have rates (value() gives it as it is)"
            )
        seconds = np.diff(self.timestamp_ns) * 1e-9
        with np.errstate(divide="ignore", invalid="ignore"):
            out = self.delta(name) / seconds
        out[seconds <= 0] = np.nan
        return out

    def at(self, utc_ns: int) -> dict[str, int | None]:
        """{column: value} of the last row at or before ``utc_ns``, None where it is missing. KeyError before the first."""
        row = int(np.searchsorted(self.timestamp_ns, utc_ns, side="right")) - 1
        if row < 0:
            raise KeyError(f"{self.key}: nothing was sampled before {utc_ns}")
        values = (
            None if v == MISSING else v + (1 << 64) if v < 0 else v
            for v in self.values[row].tolist()
        )
        return dict(zip(self.columns, values))

    def between(self, begin_ns: int, end_ns: int) -> Host:
        """This host from the last row before ``begin_ns`` to the last at or before ``end_ns``, UTC ns."""
        from mpi_collector.store.window import HostWindow

        return HostWindow(self, begin_ns, end_ns)

    def to_pandas(self, tidy: bool = False) -> Any:
        """A frame of the rows (``frames.host_frame``); pandas must be installed."""
        from mpi_collector.store.to_pandas import host_frame

        return host_frame(self, tidy)

    @property
    def on_grid(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): False for the stop row."""
        return np.asarray(self.tick != STOP_TICK, dtype=np.bool_)


class Recording(Mapping[str, Host]):
    """Hosts by key. Close it, or use it in a ``with`` statement."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as f:  # numpy would advise to unpickle what is no zip
                head = f.read(4)
            if head[:4] != b"PK\x03\x04":
                raise RecordingError(
                    f"{path}: not a recording: {'no zip file' if head else 'empty'}"
                )
            self._npz = np.load(path, allow_pickle=False)
        except OSError as e:
            raise RecordingError(f"{path}: not a recording: {e.strerror or e}") from e
        except safe_npz.DAMAGED as e:
            raise RecordingError(f"{path}: not a recording, or cut off: {e}") from e
        try:
            self.run = self._checked_run()
        except RecordingError:
            self._npz.close()
            raise
        self._hosts = {str(key): Host(self, str(key)) for key in self.run["hosts"]}

    def _checked_run(self) -> RunDocument:
        try:
            return checked(self.document("run"))
        except ValueError as e:
            raise RecordingError(f"{self.path}: damaged at member 'run': {e}") from e

    def member(self, name: str) -> Any:
        try:
            return safe_npz.read(self._npz, name)
        except KeyError:
            raise RecordingError(f"{self.path}: no member {name!r}") from None
        except safe_npz.DAMAGED as e:
            raise RecordingError(f"{self.path}: damaged at member {name!r}: {e}") from e

    def document(self, name: str) -> dict[str, Any]:
        try:
            doc = json.loads(str(self.member(name)))
        except (ValueError, RecursionError) as e:
            raise RecordingError(f"{self.path}: damaged at member {name!r}: {e}") from e
        if not isinstance(doc, dict):
            raise RecordingError(f"{self.path}: damaged at member {name!r}: not a JSON object")
        return doc

    def __getitem__(self, key: str) -> Host:
        return self._hosts[key]

    def fresh(self, key: str) -> Host:
        """The host again, with nothing of it in memory."""
        return Host(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def during(self, phase: str) -> Recording:
        """The part of all hosts that a phase of ``marks`` covers. KeyError names those there are."""
        from mpi_collector.store.window import during

        return during(self, phase)

    def between(self, begin_ns: int, end_ns: int) -> Recording:
        """The part of all hosts between two moments of UTC, ns."""
        from mpi_collector.store.window import Window

        return Window(self, begin_ns, end_ns)

    def to_pandas(self, tidy: bool = False) -> Any:
        """A frame of all hosts (``frames.recording_frame``); pandas must be installed."""
        from mpi_collector.store.to_pandas import recording_frame

        return recording_frame(self, tidy)

    @cached_property
    def marks(self) -> list[Phase]:
        """Phases and moments that were marked, in order of time."""
        return phases_of(self.run.get("marks", []), self.run["end_ns"])

    def close(self) -> None:
        self._npz.close()


def grown(raw: Int64) -> Float64:
    """Growth of a counter from each of its values to the next, as ``Host.delta`` has it."""
    a, b = raw[:-1].view(np.uint64), raw[1:].view(np.uint64)
    out = (b - a).astype(np.float64)  # modulo 2^64
    fell = b < a
    wrapped32 = fell & (a < 2**32) & (a >= np.uint64(2**32 * 3 // 4)) & (b < np.uint64(2**32 // 4))
    out[wrapped32] = (b[wrapped32] + np.uint64(2**32) - a[wrapped32]).astype(np.float64)
    reset = fell & ~wrapped32 & (out >= 2.0**62)
    out[reset | (raw[:-1] == MISSING) | (raw[1:] == MISSING)] = np.nan
    return out
