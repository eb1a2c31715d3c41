"""The recorder of a node that has numpy and this whole package: decodes in batches and encodes the suite's samples."""

from __future__ import annotations

from collections.abc import Iterator

from mpi_collector.mlpstorage.samples import encode_samples
from mpi_collector.node.pack import Member, Table, pack
from mpi_collector.node.recorder import Recorder
from mpi_collector.store.fastdecode import BatchDecoder


class NodeRecorder(Recorder):
    """A Recorder with all that the package offers."""

    decoder = BatchDecoder

    def pack(self, json: bool) -> Iterator[Member]:
        return packed(self.table(), self.key, json)


def packed(table: Table, key: str, json: bool) -> Iterator[Member]:
    """The npz members of a node and, if wanted, the suite's samples, encoded where the table is."""
    hostname = str(table.reader.meta.get("identity", {}).get("hostname", key))
    yield from pack(table, key)
    if json:
        yield Member("json", key, encode_samples(table, hostname))
