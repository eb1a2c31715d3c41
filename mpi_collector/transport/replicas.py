"""Replicas of other hosts' spools at the coordinator, updated during the run (``--replicate``).

They lie beside the coordinator's own spool under the keys of their hosts, where ``recover`` finds
them like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from mpi_collector.errors import TableError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.replica import Replica
from mpi_collector.node.table.facts import HostFacts, facts_of
from mpi_collector.node.table.pack import pack
from mpi_collector.node.table.recovered import IMPOSSIBLE
from mpi_collector.node.table.table import SampleTable
from mpi_collector.transport.base import HostState, Sink, write_host
from mpi_collector.transport.table_check import TableBounds, TableCheck

_TURN_NS = 1_000_000_000  #: time between two calls of Transport.poll, about


class Replicas:
    """Takes change sets during the run, and stands in for tables that did not arrive."""

    def __init__(self, options: SamplingOptions, run: str) -> None:
        self._options = options
        self._run = run
        self._copies: dict[str, Replica] = {}
        self.failures: dict[str, str] = {}  #: {key: why its replica is no longer updated}
        self._due_ns = mono_ns() + int(options.replicate_s * 1e9)

    @property
    def wanted(self) -> bool:
        return bool(self._options.replicate_s)

    def due(self) -> bool:
        """Return True once every ``replicate_s``, at the turn that is closest to the time."""
        now = mono_ns()
        if not self.wanted or now < self._due_ns - _TURN_NS // 4:
            return False
        self._due_ns = max(self._due_ns + int(self._options.replicate_s * 1e9), now)
        return True

    def due_next_turn(self) -> bool:
        """Return whether ``due`` will be true at the next turn."""
        return self.wanted and mono_ns() >= self._due_ns - _TURN_NS - _TURN_NS // 4

    def next_turn_ns(self, flushed: bool) -> int | None:
        """Return when the turn is that ``due_next_turn`` or, if ``flushed``, ``due`` waits for."""
        return self._due_ns - (0 if flushed else _TURN_NS) if self.wanted else None

    def path(self, key: str) -> str | None:
        """Return the file that is the replica of ``key``, None as long as nothing has arrived."""
        return self._copies[key].path if key in self._copies else None

    def last_number(self, key: str) -> int:
        """Return the number of the last change set that arrived from ``key``, 0 for none."""
        return self._copies[key].number if key in self._copies else 0

    def apply(self, key: str, doc: dict[str, Any], blob: bytes | bytearray) -> None:
        """Update the replica of ``key``.

        After a failure, whose reason goes into ``failures``, it is left as it is.
        """
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

    def fill_in(
        self,
        hosts: Iterable[HostState],
        sink: Sink,
        bounds_of: Callable[[HostState], TableBounds],
    ) -> None:
        """Put the replicas of the hosts that were not collected into ``sink``.

        The hosts' errors stay. ``bounds_of``: what the table of a host can be.
        """
        for host in hosts:
            if host.key in self.failures:
                host.ready.setdefault("warnings", []).append(
                    f"--replicate: {self.failures[host.key]}"
                )
            copy = self._copies.get(host.key)
            if host.collected or copy is None:
                continue
            try:
                facts = _put(copy, host, sink, bounds_of)
            except (SpoolError, TableError, *IMPOSSIBLE) as e:
                self.failures[host.key] = f"{type(e).__name__}: {e}"
                continue
            if facts is None:
                continue
            host.facts = facts
            host.from_replica = True
            host.error = f"{host.error or 'lost'}; its rows end with the last --replicate"

    def close(self, saved: bool) -> None:
        """Close the replicas; ``saved``: everything is safely on disk, so remove them."""
        for copy in self._copies.values():
            copy.close(saved)
        self._copies = {}


def _put(
    copy: Replica, host: HostState, sink: Sink, bounds_of: Callable[[HostState], TableBounds]
) -> HostFacts | None:
    """Put the rows of ``copy`` into ``sink`` and return their facts; None when there are none.

    SpoolError, TableError, or one of IMPOSSIBLE when the host has sent something else; nothing is
    in the sink then.
    """
    table = SampleTable(copy.reader())
    if not table.grid or not len(table):
        return None
    facts = facts_of(table)
    members = list(pack(table, host.key))
    check = TableCheck(bounds_of(host), facts, [m.head() for m in members])
    for member in members:
        check.begin()
        for chunk in member.chunks:
            check.feed(chunk)
        check.end_member()
    check.end()
    write_host(sink, host.key, members)
    return facts
