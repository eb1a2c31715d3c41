"""What a life-cycle process asks of rank 0 of a launch that it made: the steps of a Transport."""

from __future__ import annotations

import contextlib
from json import dumps
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.service import DONE, Answer, Service
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.facts import LAUNCHER_LOST
from mpi_collector.transport.base import Sink
from mpi_collector.transport.control_messages import CONTROL_REQUESTS
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.recovery import RankRecovery
from mpi_collector.transport.ranks.world import World

_SNAPSHOTS_BYTES = 8 << 20  #: JSON of the snapshots in one answer, about


class LauncherGone(Exception):
    """The life-cycle process has closed its end, or mpirun has died."""


class ControlService(Service):
    """Drives a Coordinator on request. ``sink``: where the tables go."""

    requests = CONTROL_REQUESTS
    fatal = (LauncherGone,)

    def __init__(self, world: World, recorder_class: type[BatchRecorder], sink: Sink) -> None:
        self._world = world
        self._recorder_class = recorder_class
        self._sink = sink
        self._coordinator: Coordinator | None = None
        self._snapshots: list[tuple[str, dict[str, Any]]] = []
        self.done = False
        self.everybody = True  #: no rank is missing

    @property
    def coordinator(self) -> Coordinator | None:
        """What was opened last, until now."""
        return self._coordinator

    def _opened(self) -> Coordinator:
        if self._coordinator is None:
            raise RuntimeError("not opened")
        return self._coordinator

    def _recovery(self) -> RankRecovery:
        recovery = self._opened()
        if not isinstance(recovery, RankRecovery):
            raise RuntimeError("not opened for recovery")
        return recovery

    def _state(self) -> Answer:
        coordinator = self._opened()
        return Answer(
            {
                "hosts": [vars(h) for h in coordinator.hosts],
                "missing_ranks": coordinator.missing_ranks,
                "capacity": coordinator.capacity,
                "t0_ns": coordinator.t0_ns,
                "now_ns": mono_ns(),
                "epoch_ns": coordinator.epoch_ns,
            }
        )

    # ---- Transport
    def open(
        self, options: dict[str, Any], run: str, names: dict[str, str], facts: dict[str, Any]
    ) -> Answer:
        sampling = SamplingOptions.from_dict(options)
        self._coordinator = Coordinator(sampling, run, self._world, names, self._recorder_class)
        self._coordinator.open(facts)
        return self._state()

    def start(self) -> Answer:
        self._opened().start()
        return self._state()

    def snapshot(self, first: int) -> Answer:
        """Ask the hosts when ``first`` is 0; return the next snapshots, one at least."""
        if not first:
            self._snapshots = list(self._opened().snapshot().items())
        held_bytes = 0
        end = first
        while end < len(self._snapshots) and (end == first or held_bytes < _SNAPSHOTS_BYTES):
            held_bytes += len(dumps(self._snapshots[end]))
            end += 1
        more = end < len(self._snapshots)
        return Answer({"snapshots": dict(self._snapshots[first:end]), "more": more})

    def status(self) -> Answer:
        self._opened().poll()
        return self._state()

    def stop(self) -> Answer:
        self._opened().stop()
        return self._state()

    def gather(self, json: bool) -> Answer:
        self._opened().gather(self._sink, lambda done, total: None, json)
        return self._state()

    def close(self, saved: bool) -> Answer:
        self.everybody = self._opened().close(saved)
        self.done = True
        return DONE

    # ---- RecoveryTransport
    def spools(self, options: dict[str, Any], run: str, names: dict[str, str]) -> Answer:
        sampling = SamplingOptions.from_dict(options)
        self._coordinator = recovery = RankRecovery(sampling, run, self._world, names)
        return Answer(recovery.spools_answer())

    def claim(self, run: str) -> Answer:
        return Answer(self._recovery().claim_answer(run))

    def adopt(self, host: str, place: str, run: str, key: str) -> Answer:
        return Answer({"about": self._recovery().adopt(host, place, run, key)})

    def take_adopted(self, host: str) -> Answer:
        self._recovery().take_adopted(host, self._sink)
        return DONE

    def drop_adopted(self, host: str) -> Answer:
        self._recovery().drop_adopted(host)
        return DONE

    # ---- the end without a request
    def abandon(self, launcher_alive: bool) -> None:
        """End without ``close``: the spools stay.

        While the launcher lives, the ranks are told, since nobody else will.
        """
        self.everybody = False
        if self._coordinator is None:
            return
        if not launcher_alive:
            self._coordinator.detach(LAUNCHER_LOST)
            return
        with contextlib.suppress(Exception):
            self.everybody = self._coordinator.close(False, LAUNCHER_LOST)
