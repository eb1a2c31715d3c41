"""Recorders of a run's nodes, which also encode the suite's samples where they are wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.formats.suite_samples import encode_samples
from mpi_collector.node.compat import Clock
from mpi_collector.node.table.npy import NpzMember
from mpi_collector.node.table.pack import pack
from mpi_collector.node.table.table import SampleTable


def packed(table: SampleTable, key: str, json: bool) -> Iterator[NpzMember]:
    """Yield the npz members of host ``key`` and, if ``json``, its samples as a member."""
    hostname = str(table.reader.meta.get("identity", {}).get("hostname", key))
    yield from pack(table, key)
    if json:
        yield NpzMember("json", key, encode_samples(table, hostname))


class SuiteRecorder(BatchRecorder):
    """A recorder that can encode the suite's samples."""

    def pack(self, json: bool) -> Iterator[NpzMember]:
        """Yield the members of this host, with its samples if ``json``."""
        return packed(self.table(), self.key, json)


class ThreadRecorder(SuiteRecorder):
    """A ``SuiteRecorder`` in somebody's program: the CPU time of the sampling thread is its own."""

    clocks = Clock(cpu=time.thread_time_ns)
