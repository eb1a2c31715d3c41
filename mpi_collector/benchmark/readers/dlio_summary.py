"""DLIO, and with it MLPerf Storage's training: ``summary.json`` in the run directory.

Epochs and blocks of it are read from ``*_per_epoch_stats.json`` at the end of a run
(``benchmark.dlio``).
"""

from __future__ import annotations

import json
from datetime import datetime

from mpi_collector.benchmark.readers.base import (
    MIB,
    ReportedPhase,
    ReportFile,
    bandwidth_of,
    local_ns,
)

_READ = "train_io_mean_MB_per_second"  #: MB of 2^20 bytes


def read(file: ReportFile) -> list[ReportedPhase]:
    """Return the whole run as a phase."""
    if not file.name.endswith("summary.json"):
        return []
    document = json.loads(file.text)
    begin, end = (datetime.fromisoformat(document[key]) for key in ("start", "end"))
    metric = document["metric"]
    rates = {bandwidth_of("read"): float(metric[_READ]) * MIB} if _READ in metric else {}
    if "train_throughput_mean_samples_per_second" in metric:
        rates["samples"] = float(metric["train_throughput_mean_samples_per_second"])
    ends = [
        local_ns(t, end, file.written_s)
        if t.tzinfo is None
        else round(t.timestamp() * 1000) * 10**6
        for t in (begin, end)
    ]
    return [ReportedPhase("dlio", ends[0], ends[1], rates)]
