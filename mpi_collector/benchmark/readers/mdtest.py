"""mdtest: its output, from a file that stdout went to. It tells begin and end of the whole only."""

from __future__ import annotations

import re
from datetime import datetime

from mpi_collector.benchmark.readers.base import ReportedPhase, ReportFile, local_ns

_EDGE = re.compile(r"-- (started|finished) at (\d\d/\d\d/\d{4} \d\d:\d\d:\d\d) --")
#: operation, max, min, mean, standard deviation; the colon is gone since version 4
_RATE = re.compile(r" {2,}((?:File|Directory|Tree) \w+) *:? +[\d.]+ +[\d.]+ +([\d.]+) +[\d.]+")


def read(file: ReportFile) -> list[ReportedPhase]:
    """Return a phase per run of mdtest, with the mean rates of its operations."""
    if "mdtest-" not in file.text[:8192]:
        return []
    edges = [(edge, _time(text)) for edge, text in _EDGE.findall(file.text)]
    last = edges[-1][1]
    begin: datetime | None = None
    out = []
    parts = iter(_EDGE.split(file.text)[3::3])  # what follows each edge
    for edge, time in edges:
        part = next(parts)
        if edge == "started":
            begin, rates = time, {n.lower(): float(r) for n, r in _RATE.findall(part) if float(r)}
        elif begin is not None:
            ends = [local_ns(t, last, file.written_s) for t in (begin, time)]
            out.append(ReportedPhase("mdtest", ends[0], ends[1], rates))
            begin = None
    return out


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%m/%d/%Y %H:%M:%S")
