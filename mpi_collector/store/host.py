"""One host of a recording: its columns, times and values, and a window of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.node.row.layout import MISSING, STOP_TICK, Layout
from mpi_collector.store.clip import Clip
from mpi_collector.store.growth import CounterGrowth
from mpi_collector.store.host_members import HostMembers

if TYPE_CHECKING:
    import pandas

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
T = TypeVar("T")


class Host:
    """The recording of one host.

    Arrays have one entry per row, in order of time; the last row is that of the stop.
    """

    def __init__(self, stored: HostMembers) -> None:
        self.stored = stored
        self.key = stored.key
        self._matrix: Int64 | None = None
        self._counters: CounterGrowth | None = None
        self._once: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Host {self.key}: {len(self)} rows, {len(self.columns)} columns>"

    def __len__(self) -> int:
        return int(self.tick.shape[0])

    def array(self, name: str) -> npt.NDArray[Any]:
        """A stored array by its name behind ``HOST/`` (the file's README member lists them)."""
        return self.stored.array(name)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Identity, options, layout, clock measurements and events of this host."""
        return self.stored.meta()

    @cached_property
    def layout(self) -> Layout:
        """Which column belongs to which device of which source; KeyError where it is not known."""
        return self.stored.layout(self.meta)

    @cached_property
    def columns(self) -> list[str]:
        """Column names, ``source.field`` or ``source.device.field``."""
        return self.stored.columns

    @cached_property
    def _index(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.columns)}

    @cached_property
    def _units(self) -> list[str]:
        return self.stored.of_columns("units")

    @cached_property
    def _kinds(self) -> list[str]:
        return self.stored.of_columns("kinds")

    @cached_property
    def tick(self) -> Int64:
        """int64 (rows,): the tick of the grid; -1 for the extra row taken at the stop."""
        return self.array("tick")

    @cached_property
    def timestamp_ns(self) -> Int64:
        """int64 (rows,): UTC ns of the row's begin on the time line that all hosts share."""
        return self.array("timestamp_ns")

    @property
    def values(self) -> Int64:
        """int64 (rows, columns), ``-2**63`` where a value is missing.

        Kept in memory once it was read, until ``release()``.
        """
        if self._matrix is None:
            self._matrix = self.array("values")
        return self._matrix

    def release(self) -> None:
        """Free the memory of ``values`` and of what was computed from them."""
        self._matrix = None
        self._counters = None
        self._once = {}

    def _at(self, name: str) -> int:
        try:
            return self._index[name]
        except KeyError:
            near = [c for c in self.columns if name.rsplit(".", 1)[-1] in c][:3]
            hint = f"; there is {', '.join(near)}" if near else ""
            raise KeyError(f"{self.key} has no column {name!r}{hint}") from None

    def unit(self, name: str) -> str:
        """Return the unit of a column as it is stored."""
        return self._units[self._at(name)]

    def kind(self, name: str) -> str:
        """Return ``counter`` or ``gauge``."""
        return self._kinds[self._at(name)]

    def raw(self, name: str) -> Int64:
        """int64 (rows,): a column as stored; counters modulo 2^64, missing = -2^63."""
        return self.values[:, self._at(name)]

    def value(self, name: str) -> Float64:
        """float64 (rows,): a column with NaN where it is missing; counters are unsigned."""
        raw = self.raw(name)
        if self.kind(name) == "counter":
            out = raw.view(np.uint64).astype(np.float64)
        else:
            out = raw.astype(np.float64)
        out[raw == MISSING] = np.nan
        return np.asarray(out, dtype=np.float64)

    @property
    def statuses(self) -> dict[str, Int64]:
        """{source: int64 (rows,) its status in each row}; empty where none were recorded."""
        try:
            found = self.array("source_status")
            names = [str(s) for s in self.array("sources")]
        except RecordingError:  # written by a program that keeps no statuses
            return {}
        if np.shape(found) != (len(self), len(names)):
            return {}
        return {name: found[:, i] for i, name in enumerate(names)}

    @property
    def counters(self) -> CounterGrowth:
        """The growth of the counters over all rows. Kept in memory until ``release()``."""
        if self._counters is None:
            self._counters = CounterGrowth(self)
        return self._counters

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return what ``make`` returned when it was first called for ``key``; see ``release``."""
        if key not in self._once:
            self._once[key] = make()
        found: T = self._once[key]
        return found

    def delta(self, name: str) -> Float64:
        """float64 (rows - 1,): growth of a counter from each row to the next, NaN where unknown.

        ``store.growth`` says what is unknown. Where the source was not due at a row, the growth
        between the rows at which it was read is spread over the time between them.
        """
        self._at(name)
        out: Float64 = self.counters.of(name).copy()
        return out

    def rate(self, name: str) -> Float64:
        """float64 (rows - 1,): growth of a counter per second between neighbouring rows.

        The time is the exact one between the two rows. Unit: that of the column, per second. NaN as
        in ``delta``. ValueError for a gauge.
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
        """Return {column: value} of the last row at or before ``utc_ns``, None where missing.

        KeyError before the first row.
        """
        row = int(np.searchsorted(self.timestamp_ns, utc_ns, side="right")) - 1
        if row < 0:
            raise KeyError(f"{self.key}: nothing was sampled before {utc_ns}")
        values = (
            None if v == MISSING else v % (1 << 64) if kind == "counter" else v
            for v, kind in zip(self.values[row].tolist(), self._kinds)
        )
        return dict(zip(self.columns, values))

    def to_pandas(self, tidy: bool = False) -> pandas.DataFrame:
        """Return the rows as a frame (``to_pandas.host_frame``); pandas must be installed."""
        from mpi_collector.store.to_pandas import host_frame

        return host_frame(self, tidy)

    @property
    def whole(self) -> Host:
        """The host with all of its rows: itself, unless this is a window."""
        return self

    @property
    def clip(self) -> Clip:
        """The intervals between the rows of ``whole`` that figures are derived from."""
        return Clip(self.timestamp_ns, ends_at_stop=self.stopped)

    @property
    def stopped(self) -> bool:
        """Whether the last row is that of the stop."""
        return len(self) > 0 and int(self.tick[-1]) == STOP_TICK

    @property
    def on_grid(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): False for the stop row."""
        return np.asarray(self.tick != STOP_TICK, dtype=np.bool_)
