"""Rank 0 of a launch that a life-cycle process made: does what that process says, over stdin and stdout.

The files are written where the life cycle runs, which may be a host that no rank is on. Requests and answers are frames;
mpirun carries both ways unchanged. Tables go in blobs, a few of them unacknowledged, so that no daemon on the way has to
hold a whole table.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.compat import readable
from mpi_collector.node.errors import FrameError
from mpi_collector.node.frames import BLOB_MAX, VERSION, FrameDecoder, encode
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.recovery import RankRecovery
from mpi_collector.transport.ranks.world import World

_WINDOW = 4  #: blobs on their way at a time
_TURN_S = 1.0  #: how often the ranks' messages are looked at while nothing is asked


class LauncherGone(Exception):
    """The life-cycle process has closed its end, or mpirun has died."""


class ControlServer:
    """``serve()`` until dismissed. Raises LauncherGone; the spools stay then."""

    def __init__(self, world: World, recorder_class: type[BatchRecorder]) -> None:
        self.world, self._recorder_class = world, recorder_class
        self.root: Coordinator | None = None
        self.everybody = True
        self._decoder = FrameDecoder()
        self._queue: list[dict[str, Any]] = []
        self._unacknowledged = 0
        self._done = False
        self._parent = os.getppid()
        self._told = False  # that the life-cycle process has died
        hydra = (
            "Open MPI" not in world.library()
        )  # passes the end of stdin on, and means a rank's death by that signal
        signal.signal(signal.SIGUSR1, signal.SIG_IGN if hydra else self._hear)

    def _hear(self, _signum: int, _frame: object) -> None:
        self._told = True

    def serve(self) -> None:
        self._send({"hello": VERSION, "identity": identity(), "pid": os.getpid(), "size": self.world.size,
                    "library": self.world.library()})  # fmt: skip
        try:
            while not self._done:
                message = self._next(_TURN_S)
                if message is None:
                    self._turn()
                elif "ack" not in message:
                    self._answer(message)
        finally:
            if self.root is not None and not self._done:
                self._leave()

    def _leave(self) -> None:
        """The spools stay. Where the launcher still lives its ranks are told, since nobody else will."""
        assert self.root is not None
        self.everybody = False
        if os.getppid() != self._parent:
            self.root.detach()
            return
        with contextlib.suppress(Exception):
            self.everybody = self.root.close(False)

    def _turn(self) -> None:
        if self._told or os.getppid() != self._parent:
            raise LauncherGone
        if self.root is not None:
            self.root.poll()

    # ---- frames
    def _send(self, message: dict[str, Any], blob: bytes | memoryview = b"") -> None:
        data = memoryview(
            encode(message, blob) + b"\n"
        )  # Open MPI 5 keeps a line back until it ends
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError as e:
            raise LauncherGone from e

    def _next(self, timeout_s: float | None) -> dict[str, Any] | None:
        """The next request, or None when none came in time."""
        while not self._queue:
            if self._told:
                raise LauncherGone
            if not readable((0,), _TURN_S if timeout_s is None else timeout_s):
                if timeout_s is None:
                    continue
                return None
            data = os.read(0, 1 << 16)
            if not data:
                raise LauncherGone
            try:
                self._queue += [m for m, _ in self._decoder.feed(data)]
            except FrameError as e:
                raise LauncherGone from e
        return self._queue.pop(0)

    def _answer(self, message: dict[str, Any]) -> None:
        try:
            answer = getattr(self, "do_" + str(message.get("do")))(message)
        except LauncherGone:
            raise
        except Exception as e:  # noqa: BLE001 - told to the life cycle, which goes on with the job
            answer = {"error": f"{type(e).__name__}: {e}"}
        self._send(dict(answer, id=message.get("id")))

    # ---- requests
    def _state(self) -> dict[str, Any]:
        assert self.root is not None
        root = self.root
        return {"hosts": [vars(h) for h in root.hosts], "missing_ranks": root.missing_ranks, "capacity": root.capacity,
                "t0_ns": root.t0_ns, "epoch_ns": root.epoch_ns}  # fmt: skip

    def do_open(self, message: dict[str, Any]) -> dict[str, Any]:
        options = SamplingOptions.from_dict(message["options"])
        self.root = Coordinator(
            options, message["run"], self.world, message["names"], self._recorder_class
        )
        self.root.open(message["facts"])
        return self._state()

    def do_start(self, _message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        self.root.start()
        return self._state()

    def do_snapshot(self, _message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        return {"snapshots": self.root.snapshot()}

    def do_status(self, _message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        self.root.poll()
        return self._state()

    def do_stop(self, _message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        self.root.stop()
        return self._state()

    def do_gather(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        self.root.gather(self, lambda done, total: None, bool(message["json"]))
        return self._state()

    def do_dismiss(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.root is not None
        self.everybody = self.root.close(bool(message["saved"]))
        self._done = True
        return {}

    # ---- requests of recover
    def do_spools(self, message: dict[str, Any]) -> dict[str, Any]:
        options = SamplingOptions.from_dict(message["options"])
        self.root = self._ranks = RankRecovery(
            options, message["run"], self.world, message["names"]
        )
        return {"spools": self._ranks.spools(), "unreached": self._ranks.unreached}

    def do_adopt(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "about": self._ranks.adopt(
                message["host"], message["place"], message["run"], message["key"]
            )
        }

    def do_take(self, message: dict[str, Any]) -> dict[str, Any]:
        self._ranks.take_adopted(message["host"], self)
        return {}

    def do_drop(self, message: dict[str, Any]) -> dict[str, Any]:
        self._ranks.drop_adopted(message["host"])
        return {}

    # ---- it is the sink of its own gather
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
                message = self._next(None)
                if message is not None and "ack" in message:
                    self._unacknowledged -= 1
                elif message is not None:
                    self._answer(message)

    def end_host(self) -> None:
        self._send({"event": "end_host"})

    def drop_host(self) -> None:
        self._send({"event": "drop_host"})
