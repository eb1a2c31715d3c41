"""What a node of a run packs: the native members, and the suite's samples where they are wanted."""

from __future__ import annotations

from collections.abc import Iterator

from mpi_collector.mlpstorage.samples import encode_samples
from mpi_collector.node.pack import Member, Table, pack
from mpi_collector.transport.child import ChildRecorder, serve_agent
from mpi_collector.transport.recorder import NodeRecorder


def packed(table: Table, key: str, json: bool) -> Iterator[Member]:
    """The npz members of a node and, if wanted, the suite's samples, encoded where the table is."""
    hostname = str(table.reader.meta.get("identity", {}).get("hostname", key))
    yield from pack(table, key)
    if json:
        yield Member("json", key, encode_samples(table, hostname))


class SuiteRecorder(NodeRecorder):
    """A NodeRecorder that can encode the suite's samples."""

    def pack(self, json: bool) -> Iterator[Member]:
        return packed(self.table(), self.key, json)


def serve() -> None:
    """What the child process of a ``SuiteChildRecorder`` runs."""
    serve_agent(SuiteRecorder)


class SuiteChildRecorder(ChildRecorder):
    """The same in a process of its own."""

    program = "from mpi_collector.benchmark.recorder import serve; serve()"
