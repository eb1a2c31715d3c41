"""A flight recorder for benchmark runs on a cluster.

``load(path)`` reads a recording; ``collect(...)`` records while a Python program runs; the command
line is ``python -m mpi_collector``. All exceptions have the base ``CollectorError``.
"""

import sys

# "python -m mpi_collector" looks for modules in the working directory first; "-m" is what argv has
# while the program is looked for. Before any other import: a file typing.py may lie there.
_is_located = sys.argv[:1] == ["-m"] and {"mpi_collector", "-mmpi_collector"} & {*sys.orig_argv}
if _is_located and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]

from typing import TYPE_CHECKING, Any  # noqa: E402

from mpi_collector._version import __version__  # noqa: E402
from mpi_collector.errors import (  # noqa: E402
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
    from mpi_collector.why.load import load


def __getattr__(name: str) -> Any:
    """Import ``load`` and ``collect`` on first use: --help must import neither numpy nor MPI."""
    if name == "load":
        from mpi_collector.why.load import load

        return load
    if name == "collect":
        from mpi_collector.benchmark.api import collect

        return collect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
