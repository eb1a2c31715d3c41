"""Requests to stop a run that is recorded: from hosts, at its door, in its directories."""

from __future__ import annotations

import os
from collections.abc import Collection as Some
from typing import TYPE_CHECKING

from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import Wakes

if TYPE_CHECKING:
    from mpi_collector.benchmark.collection import Collection

_LOOK_NS = 10_000_000_000  #: between two looks for a file while nobody can ring


class StopRequests:
    """Whether somebody has asked the run of ``collection`` to stop.

    The run's directory of spools is looked at after a ring, and regularly where nobody can ring;
    the keeper looks at the results directory after a ring, and rarely by itself. ``rings``: how
    often somebody has rung.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._stop_file = collection.run_directory.stop_path
        self._look_at_ns: int | None = 0  # there may be a request from before there was a door
        self.rings = 0

    def wakes(self) -> Wakes:
        """Return what ``came`` waits for."""
        keeper_fd = self._collection.keeper.fd
        parts = [self._collection.transport.wakes(), self._collection.door.wakes()]
        fds = [fd for part in parts for fd in part.fds] + ([keeper_fd] if keeper_fd >= 0 else [])
        due = [part.due_ns for part in parts] + [self._look_at_ns]
        return Wakes(tuple(fds), min((t for t in due if t is not None), default=None))

    def came(self, ready: Some[int]) -> bool:
        """Return whether there is a request. ``ready``: the descriptors that are readable."""
        return self._polled(ready) or self._found() or self._collection.keeper.stop_requested()

    def _polled(self, ready: Some[int]) -> bool:
        """Do what is due for the transport; return whether a host has passed a request on."""
        transport = self._collection.transport
        wakes = transport.wakes()
        is_due = wakes.due_ns is not None and mono_ns() >= wakes.due_ns
        return bool((is_due or not set(wakes.fds).isdisjoint(ready)) and transport.poll())

    def _found(self) -> bool:
        """Return whether there is a request in the run's directory, where it is time to look."""
        door = self._collection.door
        rung = door.rung()
        if rung:
            self.rings += 1
            self._collection.keeper.look()
        now = mono_ns()
        if not rung and (self._look_at_ns is None or now < self._look_at_ns):
            return False
        self._look_at_ns = None if door.is_open else now + _LOOK_NS
        # os.path.exists: what cannot be looked at is not there, whatever the error
        return os.path.exists(self._stop_file)
