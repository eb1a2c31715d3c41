"""A recording from ``*_timeseries.json``, so that earlier runs can be looked at and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.formats.run_document import RunDocument, run_document
from mpi_collector.formats.suite_reader import SuiteHost, SuiteTimeSeries, read_suite
from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.node.status import OK
from mpi_collector.node.table.facts import STOPPED, HostFacts
from mpi_collector.scratch import ScratchDirectory
from mpi_collector.store.recording import Recording


def load_suite(path: Path) -> Recording:
    """Open a ``*_timeseries.json``, the suite's or ours. RecordingError when it is none."""
    series = read_suite(path)
    arrays: dict[str, Any] = {
        f"{key}/{k}": v for key, h in series.hosts.items() for k, v in _arrays(h).items()
    }
    run = np.array(json.dumps(_run(path, series)))
    with ScratchDirectory() as directory:
        target = Path(directory) / path.name.replace(".json", ".npz")
        np.savez(target, **arrays, run=run)
        recording = Recording(target)  # holds the file open: the name may go
    recording.path = path
    return recording


def _arrays(host: SuiteHost) -> dict[str, npt.NDArray[Any]]:
    """The members of one host of a recording."""
    rows = len(host.rows)
    values = np.full((rows, len(host.columns)), MISSING, dtype=np.int64)
    for n, row in enumerate(host.rows):
        for column, value in row:
            values[n, column] = np.uint64(value % (1 << 64)).astype(np.int64)
    meta = {"identity": {"hostname": host.hostname}, "events": []}
    return {
        "meta": np.array(json.dumps(meta)),
        "columns": np.array(host.columns, dtype=str),
        "units": np.array(host.units, dtype=str),
        "kinds": np.array(host.kinds, dtype=str),
        "sources": np.array([], dtype=str),
        "tick": np.array(host.ticks, dtype=np.int64),
        "timestamp_ns": np.array(host.timestamps_ns, dtype=np.int64),
        "clock_bound_ns": np.full(rows, MISSING, dtype=np.int64),
        "source_status": np.zeros((rows, 0), dtype=np.int64) + OK,
        "values": values,
    }


def _run(path: Path, series: SuiteTimeSeries) -> RunDocument:
    hosts = series.hosts
    facts = {key: _facts(host, series) for key, host in hosts.items() if host.rows}
    missing = [key for key in series.hosts_requested if key not in hosts]
    stem = path.name.removesuffix("_timeseries.json")
    return run_document(
        program="MLPerf Storage's own collector",
        run=stem,
        stem=stem,
        benchmark=stem.rsplit("_", 2)[0],
        collection_method=series.collection_method,
        ended_by="unknown",
        hosts=facts,
        hosts_requested=[*hosts, *missing],
        hosts_partial={
            **{key: _no_samples(host) for key, host in hosts.items() if key not in facts},
            **dict.fromkeys(missing, "no samples"),
        },
        t0_ns=0,
        start_ns=series.start_ns,
        end_ns=series.end_ns,
        interval_ns=series.interval_ns,
        capacity=0,
        options={},
        warnings={},
        clock_bound_ns={},
        facts=facts,
        marks=(),
        written_ns=0,
    )


def _no_samples(host: SuiteHost) -> str:
    return f"no samples ({host.error})" if host.error else "no samples"


def _facts(host: SuiteHost, series: SuiteTimeSeries) -> HostFacts:
    """What the file says of the recording of a host; nothing on lateness and cost.

    Missed are the ticks between the first and the last of all hosts at which it has no sample.
    """
    ticks = host.ticks or []
    on_grid = [t for t in ticks if t != STOP_TICK]
    return {
        "samples": len(ticks),
        "ticks": len(on_grid),
        "last_tick": max(ticks, default=-1),
        "missed": max(series.due.total - len(on_grid), 0),
        "level": series.due.level,
        "complete": True,
        "ended_by": STOPPED,
        "late_p50_ns": None,
        "late_p99_ns": None,
        "late_max_ns": None,
        "cpu_share": None,
        "statuses": {},
        "lost": [],
        "marks": [],
        "marks_lost": 0,
        "events_lost": 0,
        "columns": len(host.columns),
        "cpu_ns": None,
        "helpers_cpu_ns": None,
        "source_rows": {},
        "missing_sources": [],
        "late_sources": {},
        "slowed": {},
        "absent_devices": [],
        "unknown_cells": [],
    }
