"""One host of a recording: its columns, times and values, and a window of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING, STOP_TICK, Layout
from mpi_collector.store.host_members import NOT_BY_ROW, HostMembers

if TYPE_CHECKING:
    import pandas

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


class Host:
    """The recording of one host.

    Arrays have one entry per row, in order of time; the last row is that of the stop.
    """

    def __init__(self, stored: HostMembers) -> None:
        self.stored = stored
        self.key = stored.key
        self._matrix: Int64 | None = None

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
        """Return the unit of a column as it is stored."""
        return self._units[self._at(name)]

    def kind(self, name: str) -> str:
        """Return ``counter`` or ``gauge``."""
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
        """float64 (rows - 1,): growth of a counter from each row to the next; see ``growth``."""
        return growth(self.raw(name))

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
            None if v == MISSING else v + (1 << 64) if v < 0 else v
            for v in self.values[row].tolist()
        )
        return dict(zip(self.columns, values))

    def between(self, begin_ns: int, end_ns: int) -> HostWindow:
        """Return the rows from the last before ``begin_ns`` to the last at ``end_ns``, UTC ns."""
        return HostWindow(self, begin_ns, end_ns)

    def to_pandas(self, tidy: bool = False) -> pandas.DataFrame:
        """Return the rows as a frame (``to_pandas.host_frame``); pandas must be installed."""
        from mpi_collector.store.to_pandas import host_frame

        return host_frame(self, tidy)

    @property
    def on_grid(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): False for the stop row."""
        return np.asarray(self.tick != STOP_TICK, dtype=np.bool_)


class HostWindow(Host):
    """A host with the rows of a window only, and the row before it, where rates begin."""

    def __init__(self, whole: Host, begin_ns: int, end_ns: int) -> None:
        super().__init__(whole.stored)
        times = whole.timestamp_ns
        first = max(int(np.searchsorted(times, begin_ns, side="right")) - 1, 0)
        last = int(np.searchsorted(times, end_ns, side="right"))
        self._rows = slice(first, max(last, first))

    def array(self, name: str) -> npt.NDArray[Any]:
        found = super().array(name)
        return found if name in NOT_BY_ROW else found[self._rows]


def growth(raw: Int64) -> Float64:
    """Return the growth of a counter from each of its values to the next, (rows - 1,).

    NaN where either side is missing or where the counter was reset: one that falls has been reset,
    unless it wrapped at 2^32 or 2^64, which shows in a small growth modulo that size.
    """
    a = raw[:-1].view(np.uint64)
    b = raw[1:].view(np.uint64)
    out = (b - a).astype(np.float64)  # modulo 2^64
    fell = b < a
    wrapped32 = fell & (a < 2**32) & (a >= np.uint64(2**32 * 3 // 4)) & (b < np.uint64(2**32 // 4))
    out[wrapped32] = (b[wrapped32] + np.uint64(2**32) - a[wrapped32]).astype(np.float64)
    reset = fell & ~wrapped32 & (out >= 2.0**62)
    out[reset | (raw[:-1] == MISSING) | (raw[1:] == MISSING)] = np.nan
    return out
