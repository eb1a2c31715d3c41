"""IOR: its output as text, from a file that stdout went to or ``-O summaryFile=FILE``."""

from __future__ import annotations

import re
from datetime import datetime

from mpi_collector.benchmark.readers.base import (
    MIB,
    ReportedPhase,
    ReportFile,
    S,
    bandwidth_of,
    local_ns,
)

_DATE = r"\w{3} (\w{3} +\d+ \d\d:\d\d:\d\d \d{4})"
_BEGAN = re.compile(rf"(?:Began|StartTime) *: {_DATE}")
_COMMENCING = re.compile(rf"Commencing \w+ performance test: {_DATE}")
_FINISHED = re.compile(rf"Finished *: {_DATE}")
#: access, bandwidth, ..., total, iteration; IOPS and latency came with version 3.3
_RESULT = re.compile(r"(write|read) +([\d.]+) +.* ([\d.]+) +(\d+)\s*")
_COLUMNS = (8, 11)  #: of a line of results


def read(file: ReportFile) -> list[ReportedPhase]:
    """Return a phase per access and iteration.

    It begins where the output says so (``-v``), else where the one before it has ended.
    """
    if not file.text.lstrip().startswith("IOR-"):
        return []
    finished = _FINISHED.search(file.text)
    last = _time(finished[1]) if finished else None
    at_ns: int | None = None
    out = []
    for line in file.text.splitlines():
        found = _COMMENCING.match(line) or _BEGAN.match(line)
        if found is not None:
            time = _time(found[1])
            at_ns = local_ns(time, last or time, file.written_s)
        result = _RESULT.fullmatch(line)
        if result is not None and at_ns is not None and _is_result(line):
            end_ns = at_ns + round(float(result[3]) * S)
            number = f" {int(result[4]) + 1}" if int(result[4]) else ""
            rate = float(result[2]) * MIB
            rates = {bandwidth_of(result[1]): rate}
            out.append(ReportedPhase(f"ior {result[1]}{number}", at_ns, end_ns, rates))
            at_ns = end_ns
    return out


def _is_result(line: str) -> bool:
    """Return whether it is no line of the summary, which has 20 columns and more."""
    return _COLUMNS[0] <= len(line.split()) <= _COLUMNS[1]


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%b %d %H:%M:%S %Y")
