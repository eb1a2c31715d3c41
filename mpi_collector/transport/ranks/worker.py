"""A rank other than rank 0: samples its host if it leads there, else waits for the end.

It sleeps until rank 0 rings (rest.py); where it has no doorbell it looks for requests a few times
a second. There is no busy waiting, which would cost the job. A failure is reported to rank 0, and
the rank goes on waiting for the end: one that left would end the whole launch.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.errors import PeerLostError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.knobs import silent_s
from mpi_collector.node.read.worker import stuck_in_kernel
from mpi_collector.node.table.facts import LAUNCHER_LOST
from mpi_collector.transport.ranks.messages import UNANSWERED, WORKER_REQUESTS
from mpi_collector.transport.ranks.rest import Rest
from mpi_collector.transport.ranks.worker_service import PollInterval, WorkerService
from mpi_collector.transport.ranks.world import World

_LOOK_NS = 200_000_000  #: how often to look for an orphaned launch and for a stop request
_RARE_LOOK_S = 10.0  #: the same for a stop request while rank 0 rings


class Orphaned(Exception):
    """The launcher or rank 0 is gone: nobody will ask for the recording any more."""


class Worker:
    """Answers rank 0.

    ``run`` is the whole life of a rank; inside another program it is ``hello`` and ``serve``.

    ``released``: rank 0 has let this rank go; ``refused``: the reason, when nothing was recorded.
    """

    def __init__(self, world: World, recorder_class: type[BatchRecorder] = BatchRecorder) -> None:
        self.world = world
        self.released = False
        self.refused = ""
        self._poll_interval = PollInterval()
        self._rest = Rest(world)
        self._service = WorkerService(
            world, self._poll_interval, recorder_class, self._rest.connect, self._rest.door
        )

    def run(self) -> bool:
        """Say hello and serve until the end.

        True when rank 0 has let this rank go, False when it is gone.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._terminate)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            # a matter of rank 0; hydra also sends SIGUSR1 to the survivors of a crash
            signal.signal(number, signal.SIG_IGN)
        self._rest.catch_signals()
        self.hello()
        return self.serve(("exit",))

    def hello(self) -> None:
        """Send the first message, which also proves that the two ranks reach each other."""
        self.world.send(0, event="hello", identity=identity(), pid=os.getpid())

    def serve(self, until: tuple[str, ...], first_s: float | None = None) -> bool:
        """Answer requests up to the first one named in ``until``, or ``exit``.

        False when rank 0 is gone, or sends no request within ``first_s``; the spool stays then.
        """
        try:
            while True:
                message = self._next(first_s)
                first_s = None
                self._answer(message)
                if message["do"] in (*until, "exit"):
                    break
        except (Orphaned, PeerLostError):
            self._service.close(LAUNCHER_LOST)
            self._rest.close()
            return False
        if message["do"] == "exit":
            self.released = True
            self.refused = message.get("why", "")
            self.close()
            self.world.send(0, event="bye", stuck=stuck_in_kernel())
            self._rest.close()
        return True

    def mark(self, event: dict[str, Any]) -> None:
        """Store a mark that was made on this host."""
        self._service.add_mark(event)

    def leave(self) -> None:
        """Leave without being released: rank 0 need not wait for this rank, and its spool stays."""
        self.close()
        self.world.send(
            0,
            event="the block",
            error="left by an exception; the recording is in the spool of that host",
        )

    def close(self) -> None:
        """End the recording; its spool stays."""
        self._service.close()

    def _answer(self, message: dict[str, Any]) -> None:
        name = message["do"]
        answer = self._service.answer(message)
        if "error" in answer.fields:
            self._poll_interval.rest()
        elif name in UNANSWERED:
            return
        fields = answer.fields
        has_blob = name in WORKER_REQUESTS and WORKER_REQUESTS[name].blob and "error" not in fields
        if has_blob:
            fields["bytes"] = len(answer.blob)
        self.world.send(0, answer=name, **fields)
        if has_blob:
            self.world.send_blob(0, answer.blob)

    def _terminate(self, _signum: int, _frame: object) -> None:
        """Handle SIGTERM and the like.

        Makes a backup at once, since Open MPI 5 kills a quarter of a second later.
        """
        self._poll_interval.terminate()
        recorder = self._service.recorder
        if recorder is not None:
            threading.Thread(target=recorder.back_up, name="backup", daemon=True).start()

    def _next(self, within_s: float | None = None) -> dict[str, Any]:
        """Return the next request. Orphaned when none will come, or none has come ``within_s``."""
        looked = 0
        since = mono_ns()
        is_rung = False
        patience_ns = int(2e9 * self._service.options.start_timeout_s)  # between two requests
        while True:
            got = self.world.receive(0)
            if got is not None:
                return dict(got[1])
            now = mono_ns()
            if is_rung and not self._rest.is_rung:  # from now on rank 0 is to be heard of
                since = now
            is_rung = self._rest.is_rung
            if now - looked > _LOOK_NS:
                looked = now
                if self._orphaned(now, since) or (
                    within_s is not None and now - since > within_s * 1e9
                ):
                    raise Orphaned
                self._look_for_stop_request()
            if self._rest.door.rung():
                self._look_for_stop_request()
            late = now - since >= patience_ns
            self._rest.wait(self._poll_interval.get_s(late), self._longest_sleep_s(now))

    def _longest_sleep_s(self, now_ns: int) -> float | None:
        """Return after how long to look around although nothing has happened."""
        looks = self._service.stop_request and not self._rest.door.is_open
        look_s = _RARE_LOOK_S if looks else None
        limits = [s for s in (look_s, self._poll_interval.left_s(now_ns)) if s is not None]
        return min(limits, default=None)

    def _orphaned(self, now_ns: int, since_ns: int) -> bool:
        """Return whether the launcher has gone, or rank 0 says nothing for too long."""
        if self._rest.launcher.is_gone() or self._poll_interval.expired(now_ns):
            return True
        if self._rest.is_rung:
            return False  # the kernel watches the connection
        leads = self._service.prepared and self.world.own
        return leads and now_ns - since_ns > int(silent_s() * 1e9)

    def _look_for_stop_request(self) -> None:
        """Report to rank 0 what ``mpi_collector stop`` has left on this host."""
        path = self._service.stop_request
        if path and os.path.exists(path):
            os.unlink(path)
            self.world.send(0, event="stop_request")
