"""A synthetic recording in one file, and the same one in parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import synthetic

import mpi_collector
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.output.files import RunFiles
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import write_host

ROWS = 40


def both(directory: Path, hosts: int, each: int) -> tuple[Path, Path]:
    """Return the recording of ``hosts`` in one file, and that with ``each`` of them in a part."""
    one = synthetic.cluster(directory / "one_timeseries.npz", hosts, ROWS)
    with mpi_collector.load(one) as recording:
        run: Any = recording.run
    (directory / "parts").mkdir()
    files = RunFiles(directory / "parts", "host", "20260105_120000")
    sink = FileSink(files, False, hosts_each=each)
    for n, key in enumerate(run["hosts"]):
        write_host(sink, key, synthetic.members(key, synthetic.workload(n, ROWS)))
    sink.finish(run, time_series_head(run))
    return one, files.path("timeseries.npz")


def changed_index(index: Path, **members: Any) -> Path:
    """Replace members of an index; None: it has no such member."""
    with np.load(index, allow_pickle=False) as npz:
        kept = {**{name: npz[name] for name in npz.files}, **members}
    new = index.with_name("changed.npz")
    np.savez(new, **{k: v for k, v in kept.items() if v is not None})
    os.replace(new, index)
    return index
