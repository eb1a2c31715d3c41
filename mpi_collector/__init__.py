"""A flight recorder for benchmark runs on a cluster.

``load(path)`` reads a recording; ``collect(...)`` records while a Python program runs; the command
line is ``python -m mpi_collector``. All exceptions have the base ``CollectorError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpi_collector._version import __version__
from mpi_collector.errors import (
    CollectorError,
    CommandError,
    HostsError,
    MissingLibraryError,
    RecordingError,
    ResultsError,
    SpoolError,
    TransportError,
    WrongMPIError,
)

__all__ = [
    "CollectorError",
    "CommandError",
    "HostsError",
    "MissingLibraryError",
    "RecordingError",
    "ResultsError",
    "SpoolError",
    "TransportError",
    "WrongMPIError",
    "__version__",
    "collect",
    "load",
]

if TYPE_CHECKING:
    from mpi_collector.benchmark.api import collect
    from mpi_collector.store.load import load


def __getattr__(name: str) -> Any:
    """Import ``load`` and ``collect`` on first use: --help must import neither numpy nor MPI."""
    if name == "load":
        from mpi_collector.store.load import load

        return load
    if name == "collect":
        from mpi_collector.benchmark.api import collect

        return collect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
