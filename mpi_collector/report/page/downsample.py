"""Values over time, reduced to the points that a screen can show without losing a peak.

Up to ``FEW_HOSTS`` hosts have a line each. The values of more are reduced, host by host, to bins of
time with the lowest, the mean and the highest value in each: the band of a chart goes from the
lowest to the highest of all hosts, its line is the mean of the median host, and the map of hosts
over time shows the highest of each host.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.store.host import Float64

Float32 = npt.NDArray[np.float32]

FEW_HOSTS = 16  #: hosts with a line each
LINE_POINTS = 60_000  #: of all lines of a chart; 16 hosts x 3,600 samples fit
_CELLS = 400_000  #: hosts x bins of a figure, of many hosts
_MAX_BINS = 1200  #: the width of a screen
_MIN_BINS = 100


class Bounds(NamedTuple):
    """Values of the bins, each (bins,)."""

    low: Float32
    mean: Float32
    high: Float32


class Downsampler:
    """Reduces the slots of a run to the points of the charts.

    ``size``: slots per bin. ``x_ms``: (points,) UTC ms. ``bin_s``: the time that one bin covers, 0
    where every slot is a point.
    """

    def __init__(self, intervals: RunIntervals, hosts: int, line_points: int = LINE_POINTS) -> None:
        self.few = hosts <= FEW_HOSTS
        if self.few:
            most = max(line_points // max(hosts, 1), 2)
            two_per_bin = -(-2 * intervals.slots // most)
            self.size = 1 if intervals.slots <= most else two_per_bin
        else:
            bins = min(max(_CELLS // hosts, _MIN_BINS), _MAX_BINS)
            self.size = max(-(-intervals.slots // bins), 1)
        self.bins = -(-intervals.slots // self.size)
        self.x_ms = self._points(intervals)
        self.bin_s = self.size * _interval_s(intervals) if self.size > 1 else 0.0

    def _points(self, intervals: RunIntervals) -> Float64:
        last = np.append(intervals.end_ns[self.size - 1 :: self.size], intervals.end_ns[-1:])
        begin = intervals.begin_ns[:: self.size] / 1e6
        end = last[: self.bins] / 1e6
        if self.few and self.size > 1:
            quarter = (end - begin) / 4
            return np.stack((begin + quarter, end - quarter), axis=1).ravel()
        return end if self.few else (begin + end) / 2

    def _blocks(self, values: Float64) -> Float64:
        """Return (bins, size) of (slots,), padded with NaN."""
        padded = np.full(self.bins * self.size, np.nan)
        padded[: len(values)] = values
        return padded.reshape(self.bins, self.size)

    def line(self, values: Float64) -> Float32:
        """Return (points,) of (slots,): all values, or lowest and highest of each bin in order."""
        if self.size == 1:
            return values.astype(np.float32)
        blocks = self._blocks(values)
        low = np.fmin.reduce(blocks, axis=1)
        high = np.fmax.reduce(blocks, axis=1)
        low_at = np.where(np.isnan(blocks), np.inf, blocks).argmin(axis=1)
        high_at = np.where(np.isnan(blocks), -np.inf, blocks).argmax(axis=1)
        rising = (low_at <= high_at)[:, None]
        pairs = np.where(rising, np.stack((low, high), axis=1), np.stack((high, low), axis=1))
        return np.asarray(pairs.ravel(), dtype=np.float32)

    def bounds(self, values: Float64) -> Bounds:
        """Return the lowest, mean and highest value of each bin, of (slots,)."""
        blocks = self._blocks(values)
        known = np.isfinite(blocks).sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean = np.nansum(blocks, axis=1) / np.where(known, known, np.nan)
        return Bounds(
            low=np.fmin.reduce(blocks, axis=1).astype(np.float32),
            mean=mean.astype(np.float32),
            high=np.fmax.reduce(blocks, axis=1).astype(np.float32),
        )


def _interval_s(intervals: RunIntervals) -> float:
    return float(np.median(np.diff(intervals.end_ns))) / 1e9 if intervals.slots > 1 else 0.0


def median(rows: Float32) -> Float32:
    """Return the median over hosts of those that are known: (points,) of (hosts, points)."""
    count = np.isfinite(rows).sum(axis=0)
    ordered = np.sort(rows, axis=0)  # NaN last
    at = np.arange(rows.shape[1])
    low = ordered[np.maximum((count - 1) // 2, 0), at]
    high = ordered[np.minimum(count // 2, len(rows) - 1), at]
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan), dtype=np.float32)
