"""Settings that only the environment can change: for tests, and for sites with unusual time limits.

Every variable is read here and nowhere else. They are no options of the command line, since no
normal run needs them.

- MPI_COLLECTOR_ROOT (default /): directory that stands for the root of the file system for sources,
  snapshots and the boot id. It holds for the process that has it: ranks may have one each
- MPI_COLLECTOR_ORPHAN_S (60): seconds after which an agent without a launcher ends; its spool stays
- MPI_COLLECTOR_SILENT_S (3600): seconds without a message from rank 0 after which a worker ends
- MPI_COLLECTOR_DOORBELLS (1): 0: no rank connects to rank 0 to be woken, all look for messages
- MPI_COLLECTOR_CHUNK_BYTES (4194304): size of the largest MPI message of a table
"""

import os

ORPHAN_S = 60.0
#: rank 0 contacts a leader whenever it measures clocks: among 10,000 leaders about every 15 minutes
SILENT_S = 3600.0
CHUNK_BYTES = 4 << 20


def file_system_root(default: str = "/") -> str:
    """Return the directory below which /proc and /sys are, ``default`` if none is set."""
    return os.environ.get("MPI_COLLECTOR_ROOT", default)


def orphan_s() -> float:
    """Return how many seconds an agent outlives its launcher."""
    return float(os.environ.get("MPI_COLLECTOR_ORPHAN_S", ORPHAN_S))


def silent_s() -> float:
    """Return after how many seconds without a message from rank 0 an MPI worker ends."""
    return float(os.environ.get("MPI_COLLECTOR_SILENT_S", SILENT_S))


def doorbells() -> bool:
    """Return whether MPI workers are woken over connections of their own."""
    return os.environ.get("MPI_COLLECTOR_DOORBELLS", "1") != "0"


def chunk_bytes() -> int:
    """Return the size in bytes of the MPI messages that carry a table."""
    return int(os.environ.get("MPI_COLLECTOR_CHUNK_BYTES", CHUNK_BYTES))
