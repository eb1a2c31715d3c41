"""Samples in memory are what their JSON reads back as."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from nodekit import FIXTURES

import mpi_collector
from mpi_collector.formats.sample_objects import samples_in_memory
from mpi_collector.formats.sample_rows import ChosenRows, RecordedRows
from mpi_collector.formats.suite_samples import encode_recorded, encode_samples


@pytest.mark.parametrize("kernel", ["", "linux-2.6.32", "linux-6.18", "big-256cpu"])
def test_as_in_the_file(tmp_path: Path, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this host, and of kernels with fewer fields, with more devices, with files that are missing."""
    if kernel:
        monkeypatch.setenv("MPI_COLLECTOR_ROOT", str(FIXTURES / kernel))
    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True
    ):
        time.sleep(0.3)
    with mpi_collector.load(tmp_path) as run:
        (host,) = run.values()
        name = RecordedRows.hostname(host)
        rows = RecordedRows(host)
        written = json.loads(b"".join(encode_recorded(host)))
        assert samples_in_memory(rows, name) == written
        assert len(written) > 3
        chosen = ChosenRows(rows, [0, 2, len(written) - 1])
        assert samples_in_memory(chosen, name) == [written[0], written[2], written[-1]]
        assert json.loads(b"".join(encode_samples(chosen, name))) == samples_in_memory(chosen, name)
