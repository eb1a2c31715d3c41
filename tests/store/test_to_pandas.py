"""Recordings as pandas frames."""

from __future__ import annotations

from pathlib import Path

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
