"""Whether this host is recorded in this process or in a child of it."""

from __future__ import annotations

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.knobs import file_system_root
from mpi_collector.node.read.foreign_mounts import foreign_mounts


def recorder_of_this_host() -> type[BatchRecorder]:
    """Return what records this host: a process of its own where files of /proc or /sys may hang.

    A process that has such a file open cannot end, nor start COMMAND, before the file answers.
    """
    if foreign_mounts(file_system_root()):
        from mpi_collector.benchmark.child_recorder import SuiteChildRecorder  # imports asyncio

        return SuiteChildRecorder
    from mpi_collector.benchmark.suite_recorder import SuiteRecorder

    return SuiteRecorder
