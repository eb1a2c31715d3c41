"""Recordings as pandas frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.node.row.layout import MISSING

NAME = "host_20260105_120000_timeseries.npz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sy.cluster(tmp_path / NAME, 3, 100)


def test_frames(path: Path) -> None:
    pytest.importorskip("pandas")
    with mpi_collector.load(path) as run:
        wide = run.to_pandas()
        assert list(wide.index.names) == ["host", "time"]
        name = run["node001"].columns[0]
        raw = run["node001"].raw(name)
        assert wide.loc["node001"][name].tolist() == raw.tolist()
        tidy = run["node001"].to_pandas(tidy=True)
        assert list(tidy.columns) == ["time", "tick", "column", "value"]
        known = int((run["node001"].values != MISSING).sum())
        assert len(tidy) == known
        assert set(run.to_pandas(tidy=True)["host"]) == set(run)


@pytest.mark.parametrize("negative", [False, True])
def test_counters_above_2_to_the_63_are_exact(tmp_path: Path, negative: bool) -> None:
    """In both frames, beside small counters, missing values and gauges below zero."""
    pytest.importorskip("pandas")
    tick, times = sy.grid(3, stop_s=None)
    large = [2**63 + 1, 2**63 + 3, 2**64 - 1]
    columns = {
        "diskstats.sda.sectors_read": np.array(large, dtype=np.uint64).view(np.int64),
        "diskstats.sda.reads_completed": np.array([1, MISSING, 2**53 + 1]),
        "meminfo.Dirty": np.array([-5 if negative else 5, 6, 7]),
    }
    path = sy.write(tmp_path / NAME, [("n1", sy.SynthHost(tick, times, columns))])
    with mpi_collector.load(path) as run:
        tidy = run.to_pandas(tidy=True)
        wide = run.to_pandas()
    found = [int(v) for v in tidy["value"]]
    assert found == [*large, 1, 2**53 + 1, -5 if negative else 5, 6, 7]
    assert [int(v) for v in wide["diskstats.sda.sectors_read"]] == large
    assert int(wide["meminfo.Dirty"].iloc[0]) == (-5 if negative else 5)
