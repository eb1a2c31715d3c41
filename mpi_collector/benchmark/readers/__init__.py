"""Readers of what benchmark programs write: their phases, and the rates that they report.

Each module reads the files of one program and has ``read(file)``: its phases, none for any other
file. The text is data: nothing in it can fail more than the reading of it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from mpi_collector.benchmark.readers import dlio_summary, elbencho, fio, ior, mdtest
from mpi_collector.benchmark.readers.base import ReportedPhase, ReportFile
from mpi_collector.node.regular_file import read_whole

_SIZE_MAX = 64 << 20  #: bytes
_READERS: tuple[Callable[[ReportFile], list[ReportedPhase]], ...] = (
    fio.read,
    elbencho.read,
    ior.read,
    mdtest.read,
    dlio_summary.read,
)
#: what a reader raises for a file that only looks like one of its program
_NOT_ONE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, csv.Error)


def read_report(path: Path) -> list[ReportedPhase]:
    """Return the phases in a file of a benchmark program, by time; none where no reader knows it.

    OSError when it cannot be read.
    """
    data = read_whole(path, _SIZE_MAX)
    file = ReportFile(path.name, data.decode("utf-8", "replace"), path.stat().st_mtime)
    for read in _READERS:
        try:
            found = read(file)
        except (*_NOT_ONE, RecursionError):
            continue
        if found:
            return sorted(found, key=lambda phase: phase.begin_ns)
    return []
