"""What a CPU can have had of time, in short intervals of a machine that shares its CPUs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.store.limits import impossible_cpu_time

TICKS = 20.0  #: of a CPU in an interval of 0.2 s


def impossible(idle: list[float]) -> list[bool]:
    modes = {"idle": np.array(idle), "user": np.array(idle) * 0.0}
    found = impossible_cpu_time(modes.get, np.ones(len(idle)), np.full(len(idle), 0.2))
    return list(found)


@pytest.mark.parametrize(
    "idle",
    [
        [20, 8, 32, 20],  # ticks of a CPU that did not run, counted later
        [20, 32, 8, 20],  # read later than the row began
        [20, 10, 10, 38, 20],
        [20, 38, 10, 12, 20],
        [18, 22, 22, 18],
    ],
)
def test_late_ticks_are_possible(idle: list[float]) -> None:
    """As much as lacks in the intervals beside."""
    assert impossible(idle) == [False] * len(idle)


@pytest.mark.parametrize(
    ("idle", "at"),
    [
        ([20, 20, 60, 20], 2),
        ([20, 8, 60, 20], 2),
        ([0.0] + [20] * 12 + [40], 13),  # what lacks is too far away
        ([np.nan, np.nan, 40, np.nan], 2),  # what is not known makes up for nothing
        ([20, -5, 20], 1),
    ],
)
def test_more_than_there_was(idle: list[float], at: int) -> None:
    assert impossible(idle) == [n == at for n in range(len(idle))]


@given(
    st.lists(st.integers(min_value=0, max_value=60), min_size=1, max_size=8),
    st.integers(min_value=3, max_value=6),
)
def test_a_kernel_that_counts_late_is_never_impossible(held: list[int], most: int) -> None:
    """However the ticks of less than 2 s are held back and counted at once."""
    idle, owed = [TICKS] * 3, 0.0
    for ticks in held:
        counted = 0.0 if ticks < 20 and owed < TICKS * most else TICKS + owed
        owed += TICKS - counted
        idle.append(counted)
    assert not any(impossible([*idle, TICKS + owed]))
