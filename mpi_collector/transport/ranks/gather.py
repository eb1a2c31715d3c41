"""Rank 0 receives the packed tables of the leaders, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mpi_collector.errors import PeerLostError, TableError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.transport.base import HostState, Sink
from mpi_collector.transport.checked_sink import stream_table
from mpi_collector.transport.deadline import Allowance
from mpi_collector.transport.known_layouts import KnownLayouts
from mpi_collector.transport.table_check import TableBounds, TableCheck

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.inbox import Inbox
    from mpi_collector.transport.ranks.world import World

#: of values that rank 0 inflates to check them, all hosts together: about a second of CPU time.
#: Beyond it a damaged host is found by whoever reads its values: their checksums are in the file
_WHOLE_BYTES = 512 << 20
_SHARE = 0.1  #: of the gather time-out that each table may take, ...
_SLOW_BYTES_PER_S = 4 << 20  #: ... and its size at this rate


class TableGathering:
    """Receives tables. A leader that says nothing for ``timeout_s`` is lost.

    ``bounds_of``: what the table of a host can be.
    """

    def __init__(
        self,
        world: World,
        inbox: Inbox,
        leaders: dict[int, HostState],
        timeout_s: float,
        bounds_of: Callable[[HostState], TableBounds],
    ) -> None:
        self._world = world
        self._inbox = inbox
        self._leaders = leaders
        self._timeout_s = timeout_s
        self._bounds_of = bounds_of
        self._layouts = KnownLayouts()
        self._whole_left = _WHOLE_BYTES
        self._spare_s = timeout_s

    def receive_each(self, ranks: set[int], sink: Sink, progress: Callable[[int], object]) -> None:
        """Receive the tables of ``ranks``, which are packing them, in the order they are ready.

        ``progress`` is called with 1, 2, ... before each wait for the next one.
        """
        waiting = set(ranks)
        packing = Allowance(self._timeout_s)  # all do it at the same time
        while waiting:
            progress(len(ranks) - len(waiting) + 1)
            with packing.step() as deadline:
                packed = self._inbox.wait_for_one(waiting, "pack", deadline.left_s)
            if packed is None:
                late = self._world.hurry.reason(f"sent nothing within {self._timeout_s:g} s")
                for rank in waiting:
                    self._leaders[rank].mark_lost(late)
                break
            rank, message = packed
            waiting.discard(rank)
            if "error" not in message:
                self.receive(rank, message, sink)

    def receive(self, rank: int, packed: Mapping[str, Any], sink: Sink) -> None:
        """Have ``rank`` send its table, and put it into ``sink``.

        ``packed``: its answer to ``pack``.
        """
        host = self._leaders[rank]
        heads = packed["heads"]
        facts: HostFacts = packed["facts"]
        try:
            bounds = self._bounds_of(host)
            whole = self._is_whole(bounds, facts)
            check = TableCheck(bounds, facts, heads, whole, self._layouts)
        except TableError as e:
            host.error = str(e)
            return
        self._world.send(rank, do="send")
        try:
            with self._table_limit(sum(h["packed"] for h in heads)) as limit_s:
                stream_table(
                    sink,
                    host.key,
                    heads,
                    check,
                    lambda size, take: self._world.receive_stream(rank, size, take, limit_s),
                )
        except PeerLostError as e:
            host.mark_lost(f"sent only a part of its table: {e}")
            return
        except RuntimeError as e:
            host.error = str(e)
            return
        host.facts = facts
        host.collected = True

    @contextmanager
    def _table_limit(self, size: int) -> Iterator[float]:
        """Yield how long a table of ``size`` bytes may take, s.

        All slow ones together have ``timeout_s`` more than a share each: while one is received, the
        others wait.
        """
        share_s = _SHARE * self._timeout_s + size / _SLOW_BYTES_PER_S
        began_ns = mono_ns()
        try:
            yield share_s + self._spare_s
        finally:
            taken_s = (mono_ns() - began_ns) * 1e-9
            self._spare_s = max(self._spare_s - max(taken_s - share_s, 0.0), 0.0)

    def _is_whole(self, bounds: TableBounds, facts: Mapping[str, Any]) -> bool:
        """Return whether the values are to be inflated as well."""
        size: int = 8 * facts["samples"] * bounds.columns
        whole = size <= self._whole_left
        if whole:
            self._whole_left -= size
        return whole
