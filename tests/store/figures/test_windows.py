"""Figures of a part of a run: the same work, the same figure, wherever it lies on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from any_host import VALUES, hosts
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.row.layout import MISSING
from mpi_collector.report.cluster import aggregate_hosts
from mpi_collector.report.summary import document
from mpi_collector.store.figures import derive
from mpi_collector.store.load import load
from mpi_collector.store.recording import Recording, Window

NAME = "host_20260105_120000_timeseries.npz"
READ = "read_bytes_per_s"
GB = 1e9


def at(seconds: float) -> int:
    return sy.START_NS + round(seconds * sy.S)


def busy(
    path: Path, stretches: Sequence[tuple[float, float]], interval_s: float = 10, rows: int = 31
) -> Path:
    """A disk that reads 1 GB/s in these stretches, marked ``work``, and nothing outside them."""
    tick, times = sy.grid(rows, interval_s, stop_s=None)
    seconds = (times - sy.START_NS) / sy.S
    done = sum(np.clip(seconds - begin, 0, end - begin) for begin, end in stretches)
    read = np.round(np.asarray(done) * GB / 512).astype(np.int64)
    host = sy.SynthHost(tick, times, {"diskstats.sda.sectors_read": read})
    marks = [m for b, e in stretches for m in sy.pair("work", at(b), at(e), "n1")]
    return sy.write(path, [("n1", host)], interval_s, marks=marks)


def mean(recording: Recording) -> float:
    return aggregate_hosts(recording).totals[READ].mean


@pytest.mark.parametrize("begin", [20, 20.5, 23, 27.5, 29.5, 19.9999, 20.0001])
@pytest.mark.parametrize("seconds", [60, 20, 12, 4])
def test_phase_anywhere_on_the_grid(tmp_path: Path, begin: float, seconds: float) -> None:
    """1 GB/s for so long, from any moment between two samples, also within one interval."""
    with load(busy(tmp_path / NAME, [(begin, begin + seconds)])) as run:
        total = aggregate_hosts(run.during("work")).totals[READ]
        assert total.mean == pytest.approx(GB, rel=1e-6)
        assert total.peak == pytest.approx(GB, rel=1e-6)
        assert document(run.during("work"))["span_s"] == pytest.approx(seconds)


@pytest.mark.parametrize("begin", [20.5, 29.5])
def test_window_anywhere_on_the_grid(tmp_path: Path, begin: float) -> None:
    """The same without marks: the rates before and after show when the work began and ended."""
    path = busy(tmp_path / NAME, [(begin, begin + 60)])
    with load(path) as run:
        run.run["marks"] = []
        assert mean(run.between(at(begin), at(begin + 60))) == pytest.approx(GB, rel=1e-6)
        assert mean(run.between(at(begin + 10), at(begin + 31))) == pytest.approx(GB, rel=1e-6)


def test_steady_load_beyond_the_phase(tmp_path: Path) -> None:
    with load(busy(tmp_path / NAME, [(0, 300)])) as run:
        assert mean(run.between(at(33.3), at(101.7))) == pytest.approx(GB, rel=1e-6)


def test_phases_of_one_name_are_a_union(tmp_path: Path) -> None:
    """20 s at 1 GB/s twice, 120 s apart: 1 GB/s over 40 s, not 250 MB/s over 160 s."""
    with load(busy(tmp_path / NAME, [(13, 33), (153, 173)])) as run:
        part = run.during("work")
        found = document(part)
        assert found["span_s"] == pytest.approx(40)
        assert found["cluster"][READ]["mean"] == pytest.approx(GB, rel=1e-6)
        assert found["cluster"][READ]["coverage"] == pytest.approx(1)
        host = part["n1"]
        assert np.isnan(host.rate("diskstats.sda.sectors_read")).sum() == 1  # between the two


def test_phases_that_overlap_count_once(tmp_path: Path) -> None:
    """As of ranks of several hosts, which set the same marks a little apart."""
    path = busy(tmp_path / NAME, [(20, 80)])
    with load(path) as run:
        part = Window(run, [(at(20), at(60)), (at(30), at(80)), (at(50), at(55))])
        assert part.stretches == [(at(20), at(80))]
        assert mean(part) == pytest.approx(GB, rel=1e-6)


def test_a_sliver_at_the_edge_is_no_peak(tmp_path: Path) -> None:
    """A mark that is set a little late does not make the work before it a burst after it."""
    tick, times = sy.grid(21, 10, stop_s=None)
    read = sy.counter(np.where(np.arange(20) >= 5, GB / 512, 0.0), times)
    host = sy.SynthHost(tick, times, {"diskstats.sda.sectors_read": read})
    marks = sy.pair("work", at(59.9), at(150), "n1")
    with load(sy.write(tmp_path / NAME, [("n1", host)], 10, marks=marks)) as run:
        assert aggregate_hosts(run.during("work")).totals[READ].peak < 2.1 * GB


def test_window_beyond_the_recording(tmp_path: Path) -> None:
    """What was not recorded has no part in it."""
    with load(busy(tmp_path / NAME, [(0, 300)])) as run:
        assert document(run.between(at(-50), at(1000)))["span_s"] == pytest.approx(300)
        assert document(run.between(at(400), at(500)))["cluster"] == {}


# ---- any series
@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@settings(max_examples=80)
@given(hosts(), st.lists(st.floats(0, 12), max_size=4))
def test_any_series(folder: Path, host: sy.SynthHost, edges: list[float]) -> None:
    """peak >= mean >= minimum >= 0, nothing infinite, nothing known where a column is missing, and
    windows that tile the run share its growth."""
    path = sy.write(folder / NAME, [("n1", host)])
    cuts = [at(0), *sorted(at(e) for e in edges), int(host.times[-1])]
    cuts = [c for c in cuts if c <= host.times[-1]]
    with load(path) as run:
        whole = derive(run["n1"])
        parts = [derive(run.between(a, b)["n1"]) for a, b in pairwise(cuts) if b > a]
        for name, series in whole.series.items():
            known = series.values[np.isfinite(series.values)]
            assert (known >= 0).all()
            assert not np.isinf(series.values).any()
            if len(known):
                assert series.minimum <= series.mean <= series.peak
            if name.endswith("_per_s"):
                amounts = [
                    p.series[name].mean * p.series[name].known_s for p in parts if name in p.series
                ]
                amount = float(np.nansum(amounts))
                expected = series.mean * series.known_s if len(known) else 0.0
                assert amount == pytest.approx(expected, rel=1e-6, abs=1e-3)
        every = aggregate_hosts(run).totals
        union = aggregate_hosts(Window(run, [(a, b) for a, b in pairwise(cuts) if b > a])).totals
    for name, total in every.items():
        assert not total.peak < total.mean
        if np.isfinite(total.mean) and cuts[-1] == host.times[-1]:
            assert union[name].mean == pytest.approx(total.mean, rel=1e-6)


@settings(max_examples=50)
@given(st.lists(st.integers(2, 10), min_size=1, max_size=3), st.data())
def test_unknown_columns_make_unknown_figures(folder: Path, lengths: list[int], data: Any) -> None:
    """Of a single disk: no number where a side of its column is missing."""
    rows = max(lengths)
    values = data.draw(st.lists(VALUES, min_size=rows, max_size=rows))
    tick, times = sy.grid(rows, stop_s=None)
    host = sy.SynthHost(tick, times, {"diskstats.sda.sectors_read": np.array(values, np.int64)})
    with load(sy.write(folder / NAME, [("n1", host)])) as run:
        found = derive(run["n1"]).series[READ].values
    missing = np.array(values) == MISSING
    assert np.isnan(found[missing[1:] | missing[:-1]]).all()
