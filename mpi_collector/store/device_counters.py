"""Counters of one device: where they fell, and whether that was a reset or a wrap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

#: modes of CPU time that may decrease (proc(5)): when they fall, nothing was reset
MAY_FALL = ("idle", "iowait", "steal", "guest", "guest_nice")


def split(column: str) -> tuple[str, str, str]:
    """Return (source, device, field) of the name of a column; the device may contain dots."""
    source, _, rest = column.partition(".")
    device, _, name = rest.rpartition(".")
    return source, device, name


def modulo_difference(raw: Int64) -> UInt64:
    """Return each value minus the one before it, modulo 2^64, (rows - 1,)."""
    unsigned = np.ascontiguousarray(raw).view(np.uint64)
    return unsigned[1:] - unsigned[:-1]


def both_known(raw: Int64) -> Bool:
    """Return where a value and the one before it are there, (rows - 1,)."""
    known: Bool = raw != MISSING
    return known[1:] & known[:-1]


def signed_growth(raw: Int64) -> Float64:
    """Return the change of a counter that may decrease, (rows - 1,); NaN where unknown."""
    out = modulo_difference(raw).view(np.int64).astype(np.float64)
    out[~both_known(raw)] = np.nan
    return out


class DeviceCounters:
    """Counters of one device: where they fell, and which falls are wraps.

    ``raws``: {column: (rows,)}; ``widths``: of the columns whose width is known; ``n``: intervals.
    ``fell``: {column: bool (n,)}, without wraps. Growth of 2^63 or more is a fall, below zero.
    """

    def __init__(self, raws: dict[str, Int64], widths: dict[str, int], n: int) -> None:
        self._raws = raws
        self._widths = widths
        self._n = n
        self.fell: dict[str, Bool] = {}
        self.wrapped: dict[str, Bool] = {}
        for column, raw in raws.items():
            fell = (modulo_difference(raw) >= np.uint64(2**63)) & both_known(raw)
            self.wrapped[column] = fell & self._may_have_wrapped(column)
            self.fell[column] = fell & ~self.wrapped[column]

    def _may_have_wrapped(self, column: str) -> Bool:
        """Return where a fall may be a wrap: modulo its width it grew by less than half of it."""
        if column not in self._widths:
            return np.zeros(self._n, dtype=bool)
        width = np.uint64(self._widths[column])
        raw = np.ascontiguousarray(self._raws[column]).view(np.uint64)
        inside: Bool = (raw[:-1] < width) & (raw[1:] < width)
        inside &= raw[1:] - raw[:-1] + width < width // np.uint64(2)
        return inside

    def reset(self) -> Bool:
        """Return the intervals in which the device was reset, bool (n,).

        Two of its counters fell, or one by more than half of what it had. Counters that may have
        wrapped are evidence only where no other counter of the device went on.
        """
        falls = np.zeros(self._n, dtype=np.int64)
        wraps = np.zeros(self._n, dtype=np.int64)
        large = np.zeros(self._n, dtype=bool)
        went_on = np.zeros(self._n, dtype=bool)
        for column, raw in self._raws.items():
            fell = self.fell[column]
            before = np.ascontiguousarray(raw).view(np.uint64)[:-1]
            wraps += self.wrapped[column]
            if column not in self._widths:
                went_on |= both_known(raw) & ~fell & (before > 0)
            if split(column)[2] not in MAY_FALL:
                falls += fell
                down = np.uint64(0) - modulo_difference(raw)
                large |= fell & (down > before // np.uint64(2))
        out: Bool = (falls > 1) | large | ((falls > 0) & (wraps > 0)) | ((wraps > 1) & ~went_on)
        for column, again in self.wrapped.items():
            self.wrapped[column] = again & ~out
        return out

    def growth(self, column: str) -> Float64:
        """Return the growth with wraps repaired, (n,); NaN where a side is missing."""
        raw = self._raws[column]
        out = modulo_difference(raw).astype(np.float64)
        again = self.wrapped[column]
        if again.any():
            width = np.uint64(self._widths[column])
            out[again] = (modulo_difference(raw)[again] + width).astype(np.float64)
        out[~both_known(raw) | self.fell[column]] = np.nan
        return out
