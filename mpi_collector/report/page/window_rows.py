"""The rows from which the page computes the figures of the window that is in view.

A row is an interval of the run's common grid, or several where a run has very many. The figures of
a window are the mean over its rows, those at its ends by the share that lies in it, and the peak.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mpi_collector.report.page.downsample import LINE_POINTS, Float32
from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.store.host import Float64

_EVEN = 1.05  #: greatest weight / least: below, all rows count by their time alone


class RowValues(NamedTuple):
    """A figure, (rows,). ``peak``: None: ``mean``. ``weight``: per second, None: all alike."""

    mean: Float32
    peak: Float32 | None
    weight: Float32 | None


@dataclass
class FigureRows:
    """A figure of all hosts together, and of each host where they are few."""

    total: RowValues
    hosts: dict[str, RowValues] = field(default_factory=dict)


class RowReducer:
    """Puts slots of a run together to at most ``most`` rows. ``size``: slots per row."""

    def __init__(self, intervals: RunIntervals, most: int = LINE_POINTS) -> None:
        self.size = max(-(-intervals.slots // max(most, 1)), 1)
        self._seconds: Float64 = np.asarray(intervals.end_ns - intervals.begin_ns, np.float64) / 1e9
        ends = np.append(intervals.end_ns[self.size - 1 :: self.size], intervals.end_ns[-1:])
        self.rows = -(-intervals.slots // self.size)
        self.begin_ms: Float64 = intervals.begin_ns[:: self.size] / 1e6
        self.end_ms: Float64 = ends[: self.rows] / 1e6

    def values(self, values: Float64, weight: Float64 | None = None) -> RowValues:
        """Return (rows,) of (slots,). ``weight``: per second; None: time alone."""
        rate = np.ones(len(values)) if weight is None else np.where(weight > 0, weight, 0.0)
        rate = np.where(np.isfinite(values), rate, 0.0)
        if self.size == 1:
            return RowValues(values.astype(np.float32), None, _uneven(rate))
        weights = self._blocks(rate * self._seconds)
        known = np.where(weights > 0, self._blocks(np.nan_to_num(values)), 0.0)
        total = weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (known * weights).sum(axis=1) / total
            per_s = total / self._blocks(self._seconds).sum(axis=1)
        peak = np.fmax.reduce(self._blocks(values, np.nan), axis=1)
        return RowValues(mean.astype(np.float32), peak.astype(np.float32), _uneven(per_s))

    def _blocks(self, values: Float64, rest: float = 0.0) -> Float64:
        padded = np.full(self.rows * self.size, rest)
        padded[: len(values)] = values
        return padded.reshape(self.rows, self.size)


def _uneven(rate: Float64) -> Float32 | None:
    """Return weights per second, None where all that are known are alike."""
    known = rate[rate > 0]
    if not len(known) or known.max() <= _EVEN * known.min():
        return None
    return rate.astype(np.float32)
