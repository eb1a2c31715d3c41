"""Rank 0 of a launch that a life-cycle process made, driven over stdin and stdout.

The files are written where the life cycle runs, which may be a host that no rank is on. Requests
and answers are frames (node/frames.py), which mpirun passes on unchanged both ways. Tables go in
blobs, of which few may be unacknowledged, so that no daemon on the way holds a whole table.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.node.errors import FormError, FrameError
from mpi_collector.node.frames import BLOB_MAX, VERSION, FrameDecoder, encode
from mpi_collector.node.host.identity import identity
from mpi_collector.node.parent import Parent
from mpi_collector.transport.base import Wakes
from mpi_collector.transport.control_messages import CONTROL_NOTES
from mpi_collector.transport.ranks.control_service import ControlService, LauncherGone
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.rest import wakeup_fd
from mpi_collector.transport.ranks.world import World

_WINDOW = 4  #: blobs that may be unacknowledged
_LOOK_NS = 200_000_000  #: between two looks for a hurry
_TURN_S = 1.0  #: how often a wait for an acknowledgement looks around
_READ_BYTES = 1 << 16


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
        self._cut_off: dict[str, str] = {}  # as the life-cycle process knows it
        self._looked_ns = 0
        world.hurry.ask_by(self._look_for_hurry)
        self._launcher = Parent()
        self._life_cycle_died = False
        self._signal_fd = wakeup_fd()
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
                if self._queue:
                    self._answer(self._queue.pop(0))
                else:
                    self._wait()
        finally:
            if not self._service.done and self._service.coordinator is not None:
                self._service.abandon(launcher_alive=not self._launcher.is_gone())

    def _wait(self) -> None:
        """Sleep until something happens, and act on it. LauncherGone."""
        coordinator = self._service.coordinator
        wakes = coordinator.wakes() if coordinator is not None else Wakes()
        fds = [fd for fd in (self._input, self._launcher.fd, self._signal_fd) if fd >= 0]
        limits = [] if self._launcher.timeout_s is None else [self._launcher.timeout_s]
        if wakes.due_ns is not None:
            limits.append(max(wakes.due_ns - mono_ns(), 0) * 1e-9)
        ready = readable([*fds, *wakes.fds], min(limits, default=None))
        if self._signal_fd in ready:
            os.read(self._signal_fd, _READ_BYTES)
        if self._life_cycle_died or self._launcher.is_gone():
            raise LauncherGone
        if self._input in ready:
            self._read(0)
        is_due = wakes.due_ns is not None and mono_ns() >= wakes.due_ns
        if coordinator is not None and (is_due or not set(wakes.fds).isdisjoint(ready)):
            self._report(coordinator, coordinator.poll())

    def _report(self, coordinator: Coordinator, stop_requested: bool) -> None:
        """Tell the life-cycle process what rank 0 has learned."""
        if stop_requested:
            self._send({"event": "stop_request"})
        if vectors := coordinator.live.take():
            found = {key: arrived.vector for key, arrived in vectors.items()}
            self._send({"event": "live", "vectors": found})
        for host in coordinator.hosts:
            if host.cut_off != self._cut_off.get(host.key, ""):
                self._cut_off[host.key] = host.cut_off
                self._send({"event": "cut_off", "key": host.key, "why": host.cut_off})

    # ---- frames
    def _send(self, message: dict[str, Any], blob: bytes | memoryview = b"") -> None:
        # Open MPI 5 holds a line back until it ends
        data = memoryview(encode(message, blob) + b"\n")
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except OSError as e:
            raise LauncherGone from e

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
