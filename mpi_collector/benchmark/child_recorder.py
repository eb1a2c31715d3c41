"""The recorder of a node in a process of its own, which also encodes the suite's samples."""

from __future__ import annotations

from mpi_collector.benchmark.suite_recorder import SuiteRecorder
from mpi_collector.transport.child import ChildRecorder, serve_agent


def serve() -> None:
    """Run the child process of a ``SuiteChildRecorder``."""
    serve_agent(SuiteRecorder)


class SuiteChildRecorder(ChildRecorder):
    """A ``SuiteRecorder`` in a process of its own."""

    program = "from mpi_collector.benchmark.child_recorder import serve; serve()"
