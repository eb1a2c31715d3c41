"""Rank 0 of a launch that a life-cycle process made, driven over stdin and stdout.

The files are written where the life cycle runs, which may be a host that no rank is on. Requests
and answers are frames (node/frames.py), which mpirun passes on unchanged both ways. Tables go in
blobs, of which few may be unacknowledged, so that no daemon on the way holds a whole table.
"""

from __future__ import annotations

import contextlib
import os
import signal
from json import dumps
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.service import DONE, Answer, Service
from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.errors import FormError, FrameError
from mpi_collector.node.frames import BLOB_MAX, VERSION, FrameDecoder, encode
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.facts import LAUNCHER_LOST
from mpi_collector.transport.base import Sink
from mpi_collector.transport.control_messages import CONTROL_NOTES, CONTROL_REQUESTS
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.recovery import RankRecovery
from mpi_collector.transport.ranks.world import World

_WINDOW = 4  #: blobs that may be unacknowledged
_LOOK_NS = 200_000_000  #: between two looks for a hurry
_TURN_S = 1.0  #: how often the ranks' messages are taken while nothing is requested
_READ_BYTES = 1 << 16
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


class ControlServer:
    """Connects a ControlService with the life-cycle process, over the descriptors ``files``.

    ``serve`` raises LauncherGone; the spools stay then.
    """

    def __init__(
        self, world: World, recorder_class: type[BatchRecorder], files: tuple[int, int] = (0, 1)
    ) -> None:
        self.world = world
        self._input, self._output = files
        self._service = ControlService(world, recorder_class, self)
        self._decoder = FrameDecoder()
        self._queue: list[dict[str, Any]] = []
        self._unacknowledged = 0
        self._is_hurried = False
        self._looked_ns = 0
        world.hurry.ask_by(self._look_for_hurry)
        self._parent = os.getppid()
        self._life_cycle_died = False
        # hydra passes the end of stdin on, and sends this signal when a rank has died
        hydra = "Open MPI" not in world.library()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN if hydra else self._note_death)

    @property
    def everybody(self) -> bool:
        """True when no rank is missing."""
        return self._service.everybody

    def _note_death(self, _signum: int, _frame: object) -> None:
        self._life_cycle_died = True

    def serve(self) -> None:
        """Answer requests until ``close``."""
        self._send(
            {
                "hello": VERSION,
                "identity": identity(),
                "pid": os.getpid(),
                "size": self.world.size,
                "library": self.world.library(),
            }
        )
        try:
            while not self._service.done:
                message = self._next(_TURN_S)
                if message is None:
                    self._turn()
                else:
                    self._answer(message)
        finally:
            if not self._service.done and self._service.coordinator is not None:
                self._service.abandon(launcher_alive=os.getppid() == self._parent)

    def _turn(self) -> None:
        if self._life_cycle_died or os.getppid() != self._parent:
            raise LauncherGone
        if self._service.coordinator is not None:
            self._service.coordinator.poll()

    # ---- frames
    def _send(self, message: dict[str, Any], blob: bytes | memoryview = b"") -> None:
        # Open MPI 5 holds a line back until it ends
        data = memoryview(encode(message, blob) + b"\n")
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except OSError as e:
            raise LauncherGone from e

    def _next(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next request, or None when none came in time."""
        if not self._queue and not self._read(timeout_s):
            return None
        return self._queue.pop(0) if self._queue else None

    def _read(self, timeout_s: float) -> bool:
        """Take what has come within ``timeout_s``; False for nothing.

        LauncherGone also when it is not in the protocol.
        """
        if self._life_cycle_died:
            raise LauncherGone
        if not readable((self._input,), timeout_s):
            return False
        data = os.read(self._input, _READ_BYTES)
        if not data:
            raise LauncherGone
        try:
            for message, _ in self._decoder.feed(data):
                self._take(message)
        except (FrameError, FormError) as e:
            raise LauncherGone from e
        return True

    def _take(self, message: dict[str, Any]) -> None:
        """Act on a note, and keep a request. FormError."""
        name = next((n for n in CONTROL_NOTES if n in message), None)
        if name is None:
            self._queue.append(message)
            return
        CONTROL_NOTES[name].check(message)
        self._is_hurried |= name == "hurry"
        self._unacknowledged -= name == "ack"
        if self._unacknowledged < 0:
            raise FormError("acknowledges what was not sent")

    def _look_for_hurry(self) -> bool:
        """Return whether the life-cycle process is in a hurry."""
        if not self._is_hurried and mono_ns() - self._looked_ns > _LOOK_NS:
            self._looked_ns = mono_ns()
            self._read(0)
        return self._is_hurried

    def _answer(self, message: dict[str, Any]) -> None:
        answer = self._service.answer(message)
        self._send(dict(answer.fields, id=message.get("id")), answer.blob)

    # ---- the sink: every call becomes an event
    def begin_host(self, key: str) -> None:
        self._send({"event": "begin_host", "key": key})

    def begin(self, head: dict[str, Any]) -> None:
        self._send({"event": "begin", "head": head})

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), BLOB_MAX):
            self._send({"event": "write"}, view[at : at + BLOB_MAX])
            self._unacknowledged += 1
            while self._unacknowledged >= _WINDOW:
                self._read(_TURN_S)

    def end_host(self) -> None:
        self._send({"event": "end_host"})

    def drop_host(self) -> None:
        self._send({"event": "drop_host"})
