"""The slow host, while it is slow: one figure of many hosts, sample by sample.

Hosts that do the same work have about the same figure. What a host has beyond their median, less
what it usually has, is its residual. Neighbouring residuals are alike, so a step shows best in what
a residual does not share with the one before (its innovation). For every moment of the last samples
the evidence is added up that the host became slower then, and still is; a host is named where it
exceeds ``THRESHOLD`` standard deviations. A burst, which ends again, is no such step. Between
phases, where most hosts do nothing, nothing is judged, and no residual is compared across the gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.store.host import Float64

Bool = npt.NDArray[np.bool_]

THRESHOLD = 5.9
LEAST_HOSTS = 8
WINDOW = 10  #: samples of which one may be the first slow one
LEAST_SAMPLES = 5  #: of slowness before a host is named; shorter ones are bursts
LEAST_SLOWER = 0.1  #: share by which a host must be slower to be named
_RECOVERED = 0.05
_WARM = 20  #: samples from which spread and likeness are learned before anybody is named
_BUSY_SHARE = 0.1  #: of the median: a host with less does nothing
_LEVEL_RATE = 0.02  #: how fast the usual residual of a host is learned
_SPREAD_RATE = 0.01
_CLIP = 8.0  #: standard deviations that one sample counts at most
_JUMP = 4.0  #: standard deviations of a step from one sample to the next
_BURST = 2.5  #: of a residual that hides what is usual
_LASTING = 0.4  #: of the loss that every one of the last samples shows
_MAD = 1.4826  #: of the median deviation to the standard deviation of a normal distribution


class SlowHosts:
    """Watches one figure of ``hosts`` hosts, of which more means faster.

    ``slow``: bool (hosts,), those that are slow now; ``by``: by which share; ``samples``: since how
    many samples.
    """

    def __init__(self, hosts: int) -> None:
        self.slow: Bool = np.zeros(hosts, dtype=bool)
        self.by: Float64 = np.zeros(hosts)
        self.samples: npt.NDArray[np.int64] = np.zeros(hosts, dtype=np.int64)
        self._level: Float64 = np.zeros(hosts)
        self._last: Float64 = np.zeros(hosts)  # residuals of the newest sample of work
        self._before: Float64 | None = None  # residuals of the sample before; None: a gap
        self._scores: list[Any] = []  # innovations in standard deviations, newest last
        self._first: list[Any] = []  # what a step of 1 adds to the score at which it begins
        self._later: list[Any] = []  # and to a later one
        self._recent: list[Any] = []
        self._ups: list[Any] = []  # hosts that were faster at once
        self._downs: list[Any] = []  # or slower
        self._spread = 0.0
        self._step_spread = 0.0
        self._likeness = np.array([0.0, 1e-12])  # sums of products, of squares
        self._seen = 0

    def update(self, values: Float64) -> None:
        """Take the next sample, (hosts,), NaN where unknown."""
        known = np.isfinite(values)
        median = float(np.median(values[known])) if known.sum() >= LEAST_HOSTS else 0.0
        busy = known & (values > _BUSY_SHARE * median)
        if median <= 0 or 2 * busy.sum() < known.sum():
            self._before = None
            return
        residual = np.where(known, values / median - 1.0, np.nan) - self._level
        self._learn(residual)
        if self._seen > _WARM:
            self._score(residual)
            self._judge()
        free = ~self.slow & np.isfinite(residual)
        clipped = np.clip(residual, -3 * self._spread, 3 * self._spread)
        rate = max(_LEVEL_RATE, 1.0 / (self._seen + 1))
        self._level[free] += rate * clipped[free]
        self._before = residual - np.where(free, rate * clipped, 0.0)
        self._last = self._before
        self.samples = np.where(self.slow, self.samples + 1, 0)

    def _alike(self) -> float:
        return float(np.clip(self._likeness[0] / self._likeness[1], 0.0, 0.98))

    def _learn(self, residual: Float64) -> None:
        """Learn the spread of residuals and of innovations, and how alike neighbours are."""
        self._seen += 1
        rate = max(_SPREAD_RATE, 1.0 / self._seen)
        self._spread += rate * (_MAD * float(np.nanmedian(np.abs(residual))) - self._spread)
        if self._before is None:
            return
        a, b = (np.clip(r, -3 * self._spread, 3 * self._spread) for r in (self._before, residual))
        both = np.isfinite(a) & np.isfinite(b)
        sums = np.array([(a[both] * b[both]).sum(), (a[both] ** 2).sum()])
        self._likeness += rate * (sums - self._likeness)
        step = b - self._alike() * a
        found = _MAD * float(np.nanmedian(np.abs(step)))
        self._step_spread += rate * (found - self._step_spread) if self._step_spread else found

    def _score(self, residual: Float64) -> None:
        """Keep what the newest sample says of each host, in standard deviations."""
        hosts = len(residual)
        before = self._last
        spread, step = max(self._spread, 1e-6), max(self._step_spread, 1e-6)
        alike = self._alike()
        # where nothing is known of the moment before, or a burst has hidden it, nothing is shared
        fresh = np.full(hosts, self._before is None) | (before > _BURST * spread)
        score = np.where(fresh, residual / spread, (residual - alike * before) / step)
        change = (residual - before) / (spread if self._before is None else step)
        for kept, value in (
            (self._scores, np.clip(np.nan_to_num(score), -_CLIP, _CLIP)),
            (self._first, np.where(fresh, 1.0 / spread, 1.0 / step)),
            (self._later, np.where(fresh, 1.0 / spread, (1.0 - alike) / step)),
            (self._recent, residual),
            (self._ups, change > _JUMP),
            (self._downs, change < -_JUMP),
        ):
            kept.append(value)
            del kept[: -WINDOW - 1]

    def _judge(self) -> None:
        """Name the hosts with enough evidence, and let go of those that have recovered."""
        count = len(self._scores)
        if count < LEAST_SAMPLES:
            return
        scores, first, later = (np.array(k) for k in (self._scores, self._first, self._later))
        ups, downs = np.array(self._ups), np.array(self._downs)
        evidence = np.cumsum((scores * later)[::-1], axis=0)[::-1] + (first - later) * scores
        information = np.cumsum((later**2)[::-1], axis=0)[::-1] - later**2 + first**2
        score = -evidence / np.sqrt(information)
        # a step that is followed by another one is a burst
        steady = np.ones(len(self.slow), dtype=bool)
        best, by = np.zeros(len(self.slow)), np.zeros(len(self.slow))
        for begin in range(count - 1, -1, -1):
            steady &= ~ups[begin]
            if count - begin >= LEAST_SAMPLES:
                better = (score[begin] > best) & steady
                best = np.where(better, score[begin], best)
                by = np.where(better, -(evidence / information)[begin], by)
            steady &= ~downs[begin]
        recent = np.array(self._recent[-LEAST_SAMPLES:])
        with np.errstate(invalid="ignore"):
            lasting = (recent < -by * _LASTING).all(axis=0)  # NaN is no loss
            now = np.median(recent, axis=0)
            found = (best > THRESHOLD) & (by >= LEAST_SLOWER) & lasting
            stays = self.slow & ~(now > -_RECOVERED)
        self.by = np.where(found & ~self.slow, by, np.where(stays & np.isfinite(now), -now, 0.0))
        self.slow = found | stays
