"""Copies of other hosts' spools at the root, refreshed while the run is on (``--replicate``).

They lie beside the root's own spool under their hosts' keys: ``recover`` there finds them like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.replica import Replica
from mpi_collector.node.table.facts import facts_of
from mpi_collector.node.table.pack import pack
from mpi_collector.node.table.table import SampleTable
from mpi_collector.transport.base import HostState, Sink

_TURN_NS = 1_000_000_000  #: how often the root looks, about


class Replicas:
    """``apply`` what arrives; at the end ``rescue`` puts those into the sink whose hosts gave nothing themselves."""

    def __init__(self, options: SamplingOptions, run: str) -> None:
        self._options, self._run = options, run
        self._copies: dict[str, Replica] = {}
        self.failures: dict[str, str] = {}  #: {key: why its copy is not kept up any more}
        self._due_ns = mono_ns() + int(options.replicate_s * 1e9)

    @property
    def wanted(self) -> bool:
        return bool(self._options.replicate_s)

    def due(self) -> bool:
        """True once every ``replicate_s``, at the turn that comes next to it."""
        now = mono_ns()
        if not self.wanted or now < self._due_ns - _TURN_NS // 4:
            return False
        self._due_ns = max(self._due_ns + int(self._options.replicate_s * 1e9), now)
        return True

    def soon(self) -> bool:
        """Is it due at the next turn?"""
        return self.wanted and mono_ns() >= self._due_ns - _TURN_NS - _TURN_NS // 4

    def got(self, key: str) -> int:
        """Number of the last change set that arrived from ``key``."""
        return self._copies[key].number if key in self._copies else 0

    def apply(self, key: str, doc: dict[str, Any], blob: bytes | bytearray) -> None:
        """Bring the copy of ``key`` up to date. One that cannot be kept is given up, with the reason in ``failures``."""
        if key in self.failures:
            return
        try:
            if key not in self._copies:
                directory = RunDirectory(self._options.spool_dir, self._run).open()
                try:
                    self._copies[key] = Replica(directory, key, int(doc["size"]))
                finally:
                    os.close(directory)
            self._copies[key].apply(doc, blob)
        except (SpoolError, KeyError, TypeError, ValueError) as e:
            self.failures[key] = str(e)

    def rescue(self, hosts: Iterable[HostState], sink: Sink) -> None:
        """The rows of the hosts that were not collected, as of their last change set. Their errors stay."""
        for host in hosts:
            if host.key in self.failures:
                host.ready.setdefault("warnings", []).append(
                    f"--replicate: {self.failures[host.key]}"
                )
            copy = self._copies.get(host.key)
            if host.collected or copy is None:
                continue
            try:
                table = SampleTable(copy.reader())
            except SpoolError as e:
                self.failures[host.key] = str(e)
                continue
            if not table.grid or not len(table):
                continue
            sink.begin_host(host.key)
            for member in pack(table, host.key):
                sink.begin(member.head())
                for chunk in member.chunks:
                    sink.write(chunk)
            sink.end_host()
            host.facts = facts_of(table)
            host.from_replica = True
            host.error = f"{host.error or 'lost'}; here as of the last --replicate"

    def close(self, saved: bool) -> None:
        """``saved``: everything is safely on disk, and the copies go."""
        for copy in self._copies.values():
            copy.close(saved)
        self._copies = {}
