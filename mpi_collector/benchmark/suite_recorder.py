"""What a node of a run packs: the native members, and the suite's samples where they are wanted."""

from __future__ import annotations

from collections.abc import Iterator

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.formats.suite_samples import encode_samples
from mpi_collector.node.table.npy import NpzMember
from mpi_collector.node.table.pack import pack
from mpi_collector.node.table.table import SampleTable
from mpi_collector.transport.child import ChildRecorder, serve_agent


def packed(table: SampleTable, key: str, json: bool) -> Iterator[NpzMember]:
    """The npz members of a node and, if wanted, the suite's samples, encoded where the table is."""
    hostname = str(table.reader.meta.get("identity", {}).get("hostname", key))
    yield from pack(table, key)
    if json:
        yield NpzMember("json", key, encode_samples(table, hostname))


class SuiteRecorder(BatchRecorder):
    """A NodeRecorder that can encode the suite's samples."""

    def pack(self, json: bool) -> Iterator[NpzMember]:
        return packed(self.table(), self.key, json)


def serve() -> None:
    """What the child process of a ``SuiteChildRecorder`` runs."""
    serve_agent(SuiteRecorder)


class SuiteChildRecorder(ChildRecorder):
    """The same in a process of its own."""

    program = "from mpi_collector.benchmark.suite_recorder import serve; serve()"
