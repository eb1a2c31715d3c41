"""Intervals of ratios: false alarms, slowdowns that are found, and what few runs cannot tell."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from mpi_collector.report.noise import (
    MOST_RUNS,
    RunValue,
    alternate,
    quantile,
    ratio_interval,
    tick_error,
)

BARS = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "bench" / "compare_bars"))
DRAWS = 300
#: more than 1 % of DRAWS with a probability of 0.1 %, if the rate were 1 %
MOST_ALARMS = 9


def runs(*means: float, starts: list[int] | None = None) -> list[RunValue]:
    starts = starts or [0] * len(means)
    return [RunValue(m, np.full(100, m), at) for m, at in zip(means, starts)]


@pytest.mark.parametrize(
    ("df", "confidence", "t"),
    [
        (1, 0.95, 12.7062),
        (2, 0.992, 11.1131),
        (8, 0.99, 3.35539),
        (30, 0.95, 2.04227),
        (1998, 0.95, 1.96115),
    ],
)
def test_quantiles(df: int, confidence: float, t: float) -> None:
    """Those of printed tables of Student's distribution."""
    assert quantile(confidence, df) == pytest.approx(t, rel=1e-5)


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("sigma", [0.005, 0.01, 0.015, 0.05])
def test_equal_runs_give_no_alarm(sigma: float, alternating: bool) -> None:
    how = {
        "ratio": 1.0,
        "runs": 5,
        "sigma": sigma,
        "alternating": alternating,
        "drift": 0.1 * alternating,
    }
    found = BARS["rates"](np.random.default_rng(7), DRAWS, **how)
    assert (found["slower"] + found["faster"]) * DRAWS / 100 <= MOST_ALARMS


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("sigma", [0.005, 0.01])
def test_a_slowdown_of_5_percent_is_found(sigma: float, alternating: bool) -> None:
    how = {
        "ratio": 0.95,
        "runs": 5,
        "sigma": sigma,
        "alternating": alternating,
        "drift": 0.1 * alternating,
    }
    found = BARS["rates"](np.random.default_rng(8), DRAWS, **how)
    assert found["slower"] >= 95


@pytest.mark.parametrize("ratio", [0.95, 1.0])
def test_in_much_noise_the_number_of_runs_is_said(ratio: float) -> None:
    how = {"ratio": ratio, "runs": 5, "sigma": 0.05}
    found = BARS["rates"](np.random.default_rng(9), DRAWS, **how)
    assert found["undecided"] >= 88 and found["near"] >= 85


def test_a_drift_between_runs_in_turn_is_taken_out() -> None:
    """ABABAB on a machine that gets slower: B is never blamed for being later."""
    speeds = [100 - n for n in range(10)]
    turns = (
        runs(*speeds[::2], starts=[*range(1, 11, 2)]),
        runs(*speeds[1::2], starts=[*range(2, 12, 2)]),
    )
    assert alternate(*turns)
    found = ratio_interval(*turns)
    assert found is not None and found.method == "alternating"
    assert found.ratio == pytest.approx(1, abs=1e-3)
    assert not alternate(turns[0], turns[0])  # at the same time
    assert not alternate(
        runs(*speeds[:5], starts=[*range(5)]), runs(*speeds[5:], starts=[*range(5, 10)])
    )


def test_single_runs_are_told_apart_only_when_they_differ_much() -> None:
    near, far = (ratio_interval(runs(100), runs(b)) for b in (90, 50))
    assert near is not None and far is not None
    assert near.low < 1 < near.high and near.method == "ticks"
    assert far.high < 0.95


def test_noise_within_single_runs_counts() -> None:
    rng = np.random.default_rng(1)
    steady, noisy = (
        [RunValue(1.0, 1 + scale * np.cumsum(rng.normal(size=100)))] for scale in (0.001, 0.1)
    )
    a, b = ratio_interval(steady, steady), ratio_interval(noisy, noisy)
    assert a is not None and b is not None and b.high > 1.2 * a.high


def test_the_block_bootstrap() -> None:
    """The error of the mean of correlated ticks is that of many such series."""
    rng = np.random.default_rng(2)
    series = []
    for _ in range(200):
        x = rng.normal(size=500)
        for i in range(1, 500):
            x[i] = 0.8 * x[i - 1] + 0.6 * x[i]
        series.append(1 + 0.1 * x)
    true = float(np.std([s.mean() for s in series]))
    found = math.sqrt(
        np.median([tick_error(RunValue(float(s.mean()), s)).variance for s in series])
    )
    assert found == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [((0,), (0,), 1), ((0, 0), (0, 0), 1), ((0,), (3,), math.inf), ((3, 4), (0, 0), 0)],
)
def test_nothing_on_a_side(a: tuple[float], b: tuple[float], ratio: float) -> None:
    found = ratio_interval(runs(*a), runs(*b))
    assert found is not None and found.low == found.high == found.ratio == ratio


@pytest.mark.parametrize("a", [(), (0, 3), (-1,), (math.nan,)])
def test_no_ratio(a: tuple[float]) -> None:
    assert ratio_interval(runs(*a), runs(1)) is None


def test_more_runs_than_anybody_has() -> None:
    found = ratio_interval(runs(1, 9, 1), runs(9, 1, 9))
    assert found is not None and found.runs_needed(0.001) == MOST_RUNS
    equal = ratio_interval(runs(5, 5, 5), runs(5, 5, 5))
    assert equal is not None and (equal.low, equal.high) == (1, 1)


def test_a_duration_is_known_as_well_as_the_speed() -> None:
    """A value without ticks has the error of the work; one with ticks has the larger of the two."""
    rng = np.random.default_rng(3)
    speed = [RunValue(100.0, rng.normal(100, 40, 60)) for _ in "ab"]
    errors = [tick_error(run) for run in speed]
    lengths = [RunValue(10.0, np.zeros(0), 0, error) for error in errors]
    of_speed, of_length = (ratio_interval([a], [b]) for a, b in (speed, lengths))
    assert of_speed is not None and of_length is not None
    assert of_length.high / of_length.low == pytest.approx(of_speed.high / of_speed.low)
    steady = RunValue(5.0, np.full(60, 5.0), 0, errors[0])
    assert tick_error(steady) == errors[0]
    assert tick_error(RunValue(5.0, np.full(60, 5.0))).variance == 0
    wild = RunValue(100.0, rng.normal(100, 90, 60), 0, errors[0])
    assert tick_error(wild).variance > errors[0].variance
