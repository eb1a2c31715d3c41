"""What is noise between runs and what is not: an interval for every ratio B / A.

The unit of evidence is a run: ticks of one run share its luck. With two runs or more of each, the
interval comes from the spread of the runs' means: Student's t on their logarithms, both sides
together; where A and B alternate, with a drift of the machine fitted. Between single runs nothing
tells how much runs differ: the ticks of each are resampled in blocks, and ``RUN_SIGMA`` is assumed
on top.
docs/compare.md has the measured rates of false and missed alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from mpi_collector.store.host import Float64

CONFIDENCE = 0.994  #: of an interval: at most 0.6 % of equal runs look different
RUN_SIGMA = 0.05  #: assumed between runs, as a share of the mean, where only one of each is known
MARGIN = 0.05  #: a change that matters, where no rule says another
MOST_RUNS = 1000  #: more are not counted
_ASSUMED_DF = 4  #: weight of RUN_SIGMA beside a spread that few runs have shown, for advice only
_SPREAD_DF = 2  #: from so many degrees of freedom on, the spread of the runs is used
_TURNS_FROM = 3  #: runs of each side that alternate
_CURVED_FROM = 5  #: the same, where a drift may be curved
_EXPONENT_MAX = 700.0
_BLOCKS_LEAST = 3  #: blocks of ticks in a run
_STEPS = 4000  #: of the integral of Student's density


@dataclass(frozen=True)
class TickError:
    """The error of a run's mean by its ticks alone. ``variance``: of its logarithm."""

    variance: float
    df: int


@dataclass(frozen=True)
class RunValue:
    """A figure of one run. ``ticks``: (slots,) its values over time, NaN where unknown.

    ``least``: the error of its mean is no smaller, such as that of a duration than that of the
    speed. None: its ticks tell all.
    """

    mean: float
    ticks: Float64
    start_ns: int = 0
    least: TickError | None = None


@dataclass(frozen=True)
class Interval:
    """The ratio B / A and what it may be.

    ``method``: runs, alternating (runs in turn), ticks (single runs); exact: without noise.
    ``sigma``: spread between runs, in logarithms, with ``df`` degrees of freedom. ``a``, ``b``: how
    many runs there are.
    """

    ratio: float
    low: float
    high: float
    method: str
    sigma: float
    df: int
    a: int
    b: int
    confidence: float = CONFIDENCE

    def runs_needed(self, margin: float) -> int:
        """Return how many more runs of each side make the interval narrow enough to decide.

        ``margin``: half of the interval's width in logarithms at which it does.
        """
        half = math.log(self.high / self.low) / 2
        if half <= margin:  # narrow enough, but about the bound: as far as it is away
            margin = max(margin / 4, 1e-6)
        low, high = 1, MOST_RUNS  # the width shrinks with every run
        while low < high:
            middle = (low + high) // 2
            if self._half_width(middle) <= margin:
                high = middle
            else:
                low = middle + 1
        return low

    def _half_width(self, more: int) -> float:
        a, b = self.a + more, self.b + more
        weight = 0 if self.method == "ticks" else _ASSUMED_DF
        squares = self.df * self.sigma**2 + weight * RUN_SIGMA**2
        sigma = math.sqrt(squares / (self.df + weight))
        return quantile(self.confidence, a + b - 2) * sigma * math.sqrt(1 / a + 1 / b)


def ratio_interval(
    a: Sequence[RunValue], b: Sequence[RunValue], confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the ratio of the runs' means with its interval; None where it has none.

    None: a mean is not known, below 0, or 0 in some of the runs only.
    """
    means = [run.mean for run in (*a, *b)]
    if not a or not b or not all(math.isfinite(m) and m >= 0 for m in means):
        return None
    if not all(means):
        return _of_zeros(a, b, confidence)
    if alternate(a, b):
        found = _by_turns(a, b, confidence)
    elif len(a) + len(b) - 2 >= _SPREAD_DF:
        found = _by_runs(a, b, confidence)
    else:
        found = _by_ticks(a, b, confidence)
    half = min(found.half_width, _EXPONENT_MAX)
    return Interval(
        ratio=math.exp(found.log_ratio),
        low=math.exp(max(found.log_ratio - half, -_EXPONENT_MAX)),
        high=math.exp(min(found.log_ratio + half, _EXPONENT_MAX)),
        method=found.method,
        sigma=found.sigma,
        df=found.df,
        a=len(a),
        b=len(b),
        confidence=confidence,
    )


class _Found(NamedTuple):
    """An interval in logarithms."""

    log_ratio: float
    half_width: float
    method: str
    sigma: float
    df: int


def _logs(runs: Sequence[RunValue]) -> Float64:
    out: Float64 = np.log(np.array([run.mean for run in runs]))
    return out


def _by_runs(a: Sequence[RunValue], b: Sequence[RunValue], confidence: float) -> _Found:
    """Compare the means of independent runs."""
    left, right = _logs(a), _logs(b)
    df = len(a) + len(b) - 2
    squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (left, right))
    sigma = math.sqrt(squares / df)
    half = quantile(confidence, df) * sigma * math.sqrt(1 / len(a) + 1 / len(b))
    return _Found(float(right.mean() - left.mean()), half, "runs", sigma, df)


def _by_turns(a: Sequence[RunValue], b: Sequence[RunValue], confidence: float) -> _Found:
    """Compare runs that alternate in time, with a drift of the machine fitted beside them.

    The drift is a line, or a parabola where there are runs enough. Pairs of neighbours alone would
    leave a part of it in: in ABAB every B is later than its A.
    """
    runs = [*a, *b]
    start = np.array([run.start_ns for run in runs], dtype=np.float64)
    time = (start - start.min()) / (start.max() - start.min()) - 0.5
    side = np.repeat([0.0, 1.0], [len(a), len(b)])
    columns = [np.ones(len(runs)), side, time]
    if len(a) >= _CURVED_FROM:
        columns.append(time**2)
    model = np.column_stack(columns)
    logs = _logs(runs)
    inverse = np.linalg.pinv(model.T @ model)
    found = inverse @ model.T @ logs
    df = len(runs) - len(columns)
    sigma = math.sqrt(float(((logs - model @ found) ** 2).sum()) / df)
    half = quantile(confidence, df) * sigma * math.sqrt(float(inverse[1, 1]))
    return _Found(float(found[1]), half, "alternating", sigma, df)


def _by_ticks(a: Sequence[RunValue], b: Sequence[RunValue], confidence: float) -> _Found:
    """Compare single runs: their ticks tell a part of the noise, the rest is assumed."""
    errors = [tick_error(run) for run in (*a, *b)]
    shares = [1 / len(a) ** 2] * len(a) + [1 / len(b) ** 2] * len(b)
    of_ticks = [e.variance * share for e, share in zip(errors, shares)]
    variance = sum(of_ticks) + RUN_SIGMA**2 * sum(shares)
    # Satterthwaite: what is assumed has no error of its own
    uncertain = sum(v**2 / e.df for v, e in zip(of_ticks, errors))
    df = math.floor(min(variance**2 / uncertain, MOST_RUNS)) if uncertain else MOST_RUNS
    sigma = math.sqrt(RUN_SIGMA**2 + float(np.mean([e.variance for e in errors])))
    half = quantile(confidence, max(df, 1)) * math.sqrt(variance)
    log_ratio = float(_logs(b).mean() - _logs(a).mean())
    return _Found(log_ratio, half, "ticks", sigma, max(df, 1))


def _of_zeros(a: Sequence[RunValue], b: Sequence[RunValue], confidence: float) -> Interval | None:
    """Return the ratio where a side is 0: 0 / 0 is 1, and anything else / 0 infinite."""
    zero_a, zero_b = (all(run.mean == 0 for run in side) for side in (a, b))
    if not (zero_a or zero_b) or any(
        0 < sum(run.mean == 0 for run in side) < len(side) for side in (a, b)
    ):
        return None
    ratio = (1.0 if zero_b else math.inf) if zero_a else 0.0
    return Interval(ratio, ratio, ratio, "exact", 0.0, 1, len(a), len(b), confidence)


def alternate(a: Sequence[RunValue], b: Sequence[RunValue]) -> bool:
    """Return whether the runs alternate in time (ABAB, ABBA), three of each or more."""
    if len(a) != len(b) or len(a) < _TURNS_FROM:
        return False
    sides = {run.start_ns: side for side, runs in enumerate((a, b)) for run in runs}
    if len(sides) < len(a) + len(b):  # not known, or not one after the other
        return False
    order = [sides[start] for start in sorted(sides)]
    return all(first != second for first, second in zip(order[::2], order[1::2]))


def tick_error(run: RunValue) -> TickError:
    """Return the error of a mean, from its ticks, or ``least`` where that is larger."""
    own = _own_error(run)
    return own if run.least is None or run.least.variance <= own.variance else run.least


def _own_error(run: RunValue) -> TickError:
    """Return the error of a mean, from all blocks of successive ticks.

    The variance is the one that a moving block bootstrap has with infinitely many resamples.
    """
    known = run.ticks[np.isfinite(run.ticks)]
    if len(known) < 2 * _BLOCKS_LEAST or not run.mean:
        return TickError(0.0 if len(known) < 2 else float(known.var(ddof=1)) / run.mean**2, 1)
    length = _block_length(known)
    sums = np.cumsum(np.insert(known, 0, 0.0))
    blocks = (sums[length:] - sums[:-length]) / length
    variance = float(blocks.var()) * length / len(known) / run.mean**2
    return TickError(variance, max(len(known) // length - 1, 1))


def _block_length(ticks: Float64) -> int:
    """Return the length that suits the correlation of neighbours (Carlstein 1986, for AR(1))."""
    centred = ticks - ticks.mean()
    power = float((centred**2).sum())
    phi = float((centred[1:] * centred[:-1]).sum()) / power if power > 0 else 0.0
    phi = min(max(phi, 0.0), 0.98)
    found = float((math.sqrt(6) * phi / (1 - phi**2)) ** (2 / 3) * len(ticks) ** (1 / 3))
    length = math.ceil(found)
    return min(max(length, 1), len(ticks) // _BLOCKS_LEAST)


@cache
def quantile(confidence: float, df: int) -> float:
    """Return t such that a value of Student's distribution lies in ±t with ``confidence``."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if _within(middle, df) < confidence:
            low = middle
        else:
            high = middle
        if high - low < 1e-9 * max(high, 1.0):
            break
    return high


def _within(t: float, df: int) -> float:
    """Return the probability of ±t: the integral of cos^(df - 1) up to atan(t / sqrt(df))."""
    angles = np.linspace(0.0, math.pi / 2, _STEPS + 1)
    whole = _simpson(np.cos(angles) ** (df - 1))
    edge = math.atan(t / math.sqrt(df))
    part = _simpson(np.cos(np.linspace(0.0, edge, _STEPS + 1)) ** (df - 1))
    return part * edge / (whole * math.pi / 2)


def _simpson(values: Float64) -> float:
    return float(values[0] + values[-1] + 4 * values[1:-1:2].sum() + 2 * values[2:-1:2].sum()) / (
        3 * (len(values) - 1)
    )
