"""A flight recorder for benchmark runs on a cluster.

``load(path)`` reads a recording; ``collect(...)`` records while a Python program runs; the command line is
``python -m mpi_collector``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "collect", "load"]

if TYPE_CHECKING:
    from mpi_collector.benchmark.api import collect
    from mpi_collector.formats.suite_reader import open_recording as load


def __getattr__(name: str) -> Any:
    # numpy and MPI only for those who use them: --help must not import either
    if name == "load":
        from mpi_collector.formats.suite_reader import open_recording

        return open_recording
    if name == "collect":
        from mpi_collector.benchmark.api import collect

        return collect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
