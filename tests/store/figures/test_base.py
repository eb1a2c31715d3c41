"""What all figures share: intervals, unknown values, resets, means and peaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import synthetic as sy
from derived_host import derived, disk, host
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.node.status import OK, SKIPPED, SLOW
from mpi_collector.store.figures.base import known_sum

READ = "read_bytes_per_s"


def test_missing_is_not_zero() -> None:
    """A row whose source failed makes two intervals unknown; the others count."""
    d = derived(host(disk(sectors_read=[0, 100, MISSING, 300, 400]), [0, 1, 2, 3, 4]))
    series = d.series[READ]
    assert np.isnan(series.values).tolist() == [False, True, True, False]
    assert series.mean == 100 * 512
    assert series.known_s == pytest.approx(2)


def test_device_that_appears_counts_from_its_second_row() -> None:
    """What a new device had done before is not part of the run; the old one goes on counting."""
    columns = disk("sda", sectors_read=[0, 10, 20, 30]) | disk(
        "sdb", sectors_read=[MISSING, MISSING, 10**9, 10**9 + 5]
    )
    series = derived(host(columns, [0, 1, 2, 3])).series[READ]
    assert (series.values / 512).tolist() == [10, 10, 15]


def test_counter_reset_is_unknown_and_noted() -> None:
    d = derived(host(disk(sectors_read=[500, 600, 50, 150]), [0, 1, 2, 3]))
    assert np.isnan(d.series[READ].values).tolist() == [False, True, False]
    assert d.series[READ].mean == 100 * 512
    assert d.notes == [
        "diskstats sda: the counters were reset; the interval up to 12:00:02 UTC is unknown"
    ]


def test_32_bit_counter_wraps() -> None:
    """time_doing_ios_ms is 32 bit wide on every kernel."""
    columns = disk(sectors_read=[0, 0], time_doing_ios_ms=[2**32 - 100, 400])
    d = derived(host(columns, [0, 1]))
    assert d.series["utilisation_percent"].mean == pytest.approx(50)
    assert d.notes == []


def test_short_last_interval_is_part_of_the_one_before_it() -> None:
    """A burst in a millisecond before the stop is no peak, and neither the mean nor a line loses it."""
    d = derived(host(disk(sectors_read=[0, 100, 200, 250]), [0, 1, 2, 2.001], [0, 1, 2, STOP_TICK]))
    series = d.series[READ]
    assert (series.values / 512).tolist() == pytest.approx([100, 150 / 1.001])
    assert series.mean == pytest.approx(250 * 512 / 2.001)
    assert series.peak == series.values[1]
    assert d.tick.tolist() == [1, STOP_TICK]
    assert d.begin_tick.tolist() == [0, 1]


def test_last_interval_is_in_mean_and_peak() -> None:
    """Most of the work in the last 300 ms of a run at 10 s: it is the peak."""
    read = [0, 0, 500_000_000 // 512]
    series = derived(host(disk(sectors_read=read), [0, 10, 10.3], [0, 1, STOP_TICK])).series[READ]
    assert series.mean == pytest.approx(500e6 / 10.3)
    assert series.peak == pytest.approx(500e6 / 0.3)


def test_run_shorter_than_an_interval() -> None:
    """First row and stop row are enough for every figure."""
    d = derived(host(disk(sectors_read=[0, 100]), [0, 0.25], [0, STOP_TICK]))
    assert d.series[READ].mean == 400 * 512


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(rows: int) -> None:
    """No figure rather than an error."""
    d = derived(host(disk(sectors_read=[0] * rows), [0.0] * rows))
    assert d.series == {}
    assert d.span_s == 0


def test_decimated_rows() -> None:
    """Every 8th tick only: the same mean, intervals of 8 s."""
    tick, times = sy.grid(801)
    rate = np.where(np.arange(801) % 8 == 3, 8e9, 1e9)
    whole = sy.SynthHost(tick, times, sy.disk("nvme0n1", times, rate, 0.0))
    few = sy.lose(whole, np.flatnonzero((tick % 8 != 0) & (tick >= 0)))
    all_rows = derived(whole)
    decimated = derived(few)
    assert decimated.series[READ].mean == pytest.approx(all_rows.series[READ].mean, rel=1e-9)
    assert decimated.tick[:3].tolist() == [8, 16, 24]
    assert decimated.series[READ].peak < all_rows.series[READ].peak


def test_source_that_is_not_due_at_every_tick() -> None:
    """Growth over several ticks is spread over them; missing for another reason stays unknown."""
    status = [OK, SKIPPED, SKIPPED, SKIPPED] * 2 + [OK, SLOW, OK, OK, SKIPPED, SLOW, OK]
    due = {0: 1000, 4: 1400, 8: 3400, 10: 3500, 11: 3600, 14: 3900}
    values = [due.get(row, MISSING) for row in range(len(status))]
    names = ("nfs./mnt/a.server_read_bytes", "nfs./mnt/a.READ_ops")
    columns = {name: np.array(values) for name in names}
    rows = sy.SynthHost(
        *sy.grid(len(status), stop_s=None), columns, sources={"nfs": np.array(status)}
    )
    found = derived(rows).series["nfs_read_bytes_per_s"].values
    known = [100.0] * 4 + [500.0] * 4 + [np.nan, np.nan, 100.0, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(found, known, rtol=1e-6)


def test_throttled_source_is_noted() -> None:
    rows = host({"nfs./mnt/a.READ_ops": [1, 2, 3, 4]}, [0, 1, 2, 3])
    rows.meta["events"] = [
        *(
            {"type": "slowed", "source": "nfs", "every": n, "tick": 8 * n, "cost_us": 31000}
            for n in (2, 4, 2)
        ),
    ]
    assert derived(rows).notes == [
        "nfs: throttled, since it exceeded its time budget (mean 31 ms a read); "
        "at worst read at every 4th tick"
    ]


def test_sum_of_what_is_known() -> None:
    nan = float("nan")
    found = known_sum([np.array([1.0, nan, nan]), np.array([2.0, 3.0, nan])])
    assert found is not None
    np.testing.assert_array_equal(found, [3.0, 3.0, nan])
    assert known_sum([]) is None


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from([0, 1, 7, 2**31, 2**32 - 1, 2**63 - 1, -1, MISSING]),
        min_size=2,
        max_size=12,
    )
)
def test_any_counter(values: list[int]) -> None:
    """Whatever a counter holds: never negative, and unknown where a side is missing."""
    d = derived(host(disk(sectors_read=values), [float(n) for n in range(len(values))]))
    got = d.series[READ].values
    assert (got[np.isfinite(got)] >= 0).all()
    for n, sides in enumerate(pairwise(values)):
        assert not (MISSING in sides and np.isfinite(got[n]))
