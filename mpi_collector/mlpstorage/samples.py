"""Samples of tables and recordings, as many as are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mpi_collector.formats.run_document import run_document
from mpi_collector.formats.sample_objects import samples_in_memory
from mpi_collector.formats.sample_rows import ChosenRows, RecordedRows, Rows
from mpi_collector.formats.suite_samples import utc_text
from mpi_collector.node.compat import wall_ns
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.node.table.table import SampleTable
from mpi_collector.output.npz import NpzWriter
from mpi_collector.scratch import ScratchDirectory

Sample = dict[str, Any]


def samples_of(table: SampleTable, most: int) -> list[Sample]:
    """Return up to ``most`` samples of a table, evenly spread; [] when sampling never started."""
    if not table.grid or not len(table):
        return []
    return _samples(table, str(table.meta["identity"]["hostname"]), most)


def error_sample(host: str, why: str) -> Sample:
    """Return a sample that says why a host has none, or no more."""
    return {"timestamp": utc_text(wall_ns()), "hostname": host, "errors": {"ssh": why}}


def is_real(sample: Sample) -> bool:
    """Return whether a sample holds what a host sampled."""
    return "tick" in sample


def _samples(rows: Rows, hostname: str, most: int) -> list[Sample]:
    return samples_in_memory(ChosenRows(rows, evenly_spread(rows.utc_ns(), most)), hostname)


def evenly_spread(times_ns: Sequence[int], most: int) -> list[int]:
    """Return the indices of ``most`` of ``times_ns``, all where there are no more.

    The first and the last are among them, the others as close to equal distances as there are
    times. With ``most`` 1 it is the last one.
    """
    count = len(times_ns)
    if count <= most:
        return list(range(count))
    if most < 2:
        return [count - 1]
    first, last = times_ns[0], times_ns[-1]
    out: list[int] = []
    at = 0
    for n in range(most):
        wanted = first + ((last - first) * n + (most - 1) // 2) // (most - 1)
        end = count - most + n  # so many must remain for the others
        while at < end and abs(times_ns[at + 1] - wanted) <= abs(times_ns[at] - wanted):
            at += 1
        out.append(at)
        at += 1
    return out


class GatheredSamples:
    """The tables of many hosts in a file of their own, which is removed at the end."""

    def __enter__(self) -> GatheredSamples:
        self._directory = ScratchDirectory()
        self._path = Path(self._directory.name) / "series.npz"
        self._file = open(self._path, "xb")
        self.sink = _TemporaryRecording(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._directory.cleanup()

    def samples(self, most: int, facts: Mapping[str, HostFacts]) -> dict[str, list[Sample]]:
        """Return {host: up to ``most`` samples}, when all tables are in the sink.

        ``facts``: of every host that is in it.
        """
        from mpi_collector.store.recording import Recording

        self.sink.finish({key: facts[key] for key in self.sink.hosts})
        self._file.flush()
        with Recording(self._path) as recording:
            return {
                key: _samples(RecordedRows(host), RecordedRows.hostname(host), most)
                for key, host in recording.items()
            }


class _TemporaryRecording:
    """A sink that writes what agents send to a recording."""

    def __init__(self, file: BinaryIO) -> None:
        self._npz = NpzWriter(file)
        self._key = ""
        self._mark = self._npz.mark()
        self.hosts: list[str] = []

    def begin_host(self, key: str) -> None:
        self._key = key
        self._mark = self._npz.mark()

    def begin(self, head: dict[str, Any]) -> None:
        self._npz.begin(head)

    def write(self, data: bytes | memoryview) -> None:
        self._npz.write(data)

    def end_host(self) -> None:
        self.hosts.append(self._key)

    def drop_host(self) -> None:
        self._npz.rollback(self._mark)

    def finish(self, facts: Mapping[str, HostFacts]) -> None:
        """Write the rest. Of the run document nobody needs more than the hosts."""
        self._npz.finish(
            run_document(
                run="series",
                stem=None,
                benchmark="series",
                collection_method="ssh",
                ended_by="stop",
                hosts=facts,
                hosts_requested=facts,
                hosts_partial={},
                t0_ns=0,
                start_ns=0,
                end_ns=0,
                interval_ns=1,
                capacity=0,
                options={},
                warnings={},
                clock_bound_ns={},
                facts=facts,
                marks=(),
            )
        )
