"""The names of the files of a run, and its marker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mpi_collector.errors import ResultsError
from mpi_collector.output.files import (
    SUFFIXES,
    may_be_locked,
    release,
    reserve,
)

NOON_S = time.mktime((2026, 1, 5, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_next_free_second(tmp_path: Path, suffix: str) -> None:
    """A file of another run, or its marker, takes the second."""
    (tmp_path / f"host_20260105_120000_{suffix}").touch()
    first = reserve(tmp_path, "host", {}, NOON_S)
    second = reserve(tmp_path, "host", {}, NOON_S)
    assert [f.datetime for f in (first, second)] == ["20260105_120001", "20260105_120002"]
    assert may_be_locked(first.marker)
    for files in (first, second):
        release(files)
    assert may_be_locked(first.marker)  # gone: nothing is known of it
    assert [p.name for p in tmp_path.iterdir()] == [f"host_20260105_120000_{suffix}"]


def test_a_marker_that_its_process_left(tmp_path: Path) -> None:
    marker = tmp_path / ".mpi_collector_x.run.json"
    marker.write_text("{}")
    assert not may_be_locked(marker)


def test_no_results_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="choose another with --results-dir"):
        reserve(tmp_path / "file" / "results", "host", {})
