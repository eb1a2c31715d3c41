"""A rank other than the root: samples its node if it leads it, and otherwise only waits for the end.

It sleeps and looks for the root's word a few times a second; nothing here may spin, and nothing may fail the job: what
goes wrong is told to the root, and the rank goes on waiting for the end.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, cast

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.errors import PeerLostError
from mpi_collector.node.agent.recorder import use_all_cpus
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.read.worker import stuck_in_kernel
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import RunDirectory, find_spools
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.transport.base import nap
from mpi_collector.transport.ranks.world import World

ECHOES = 25
BUSY_POLL_S = 0.001  #: while the root is known to have more to say soon
IDLE_POLL_S = 0.4  #: a probe with cold caches costs about 150 us: 0.04 % of a core
#: a leader hears from the root when clocks are measured, a quarter of an hour apart among 10,000: after this it is cut off
SILENT_S = 3600.0
AFTER_POLL_S = 0.01  #: the job is over, and thousands of leaders are asked for their tables one after the other
HURRY_S = (
    20.0  #: after SIGTERM, how long to wait for the root before leaving the recording in the spool
)


def silent_s() -> float:
    """How long a leader goes on without a word of the root; the tests do not wait for that long."""
    return float(os.environ.get("MPI_COLLECTOR_SILENT_S", SILENT_S))


class Orphan(Exception):
    """The launcher is gone: nobody will ask for the recording any more."""


class Worker:
    """``run()`` returns True when the root has dismissed this rank, False when the root is gone.

    Inside somebody else's program it is ``hello`` and ``serve`` at the beginning and ``serve`` at the end.
    """

    def __init__(self, world: World, recorder_class: type[BatchRecorder] = BatchRecorder) -> None:
        self.world, self._recorder_class = world, recorder_class
        self.recorder: BatchRecorder | None = None
        self._parent = os.getppid()
        self._poll_s = BUSY_POLL_S
        self._late_poll_s = IDLE_POLL_S
        self._hurry_until = 0
        self._members: list[Any] = []
        self._options = SamplingOptions()
        self._stop_request = ""
        self._marks_path = ""
        self.released = False
        self.refused = ""  #: why the root has dismissed this rank before it recorded anything

    def run(self) -> bool:
        """The whole life of a rank that does nothing else."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            signal.signal(getattr(signal, name), self._hurry)
        for name in (
            "SIGUSR1",
            "SIGUSR2",
        ):  # the root's business; hydra sends SIGUSR1 to survivors of a crash
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        self.hello()
        return self.serve(("exit",))

    def hello(self) -> None:
        """The first word, which also proves that the two ranks reach each other."""
        self.world.send(0, type="hello", identity=identity(), pid=os.getpid())

    def serve(self, until: tuple[str, ...], first_s: float | None = None) -> bool:
        """Do what the root says until it has said one of ``until``. False when the root is gone, or has said nothing within
        ``first_s``; the spool stays then."""
        try:
            while True:
                message = self._next(first_s)
                first_s = None
                if message["type"] != "exit":
                    self._try(message)
                if message["type"] in until or message["type"] == "exit":
                    break
        except (Orphan, PeerLostError):
            self.close()
            return False
        if message["type"] == "exit":
            self.released, self.refused = True, message.get("why", "")
            self.close()
            self._answer(type="bye", stuck=stuck_in_kernel())
        return True

    def leave(self) -> None:
        """Go without being dismissed: the root need not wait for this rank, and its spool stays."""
        self.close()
        self._answer(
            type="failed",
            during="the block",
            error="left it by an exception; its recording is in its spool",
        )

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None

    def _try(self, message: dict[str, Any]) -> None:
        try:
            getattr(self, "_on_" + message["type"])(message)
        except PeerLostError:
            raise
        except Exception as e:  # noqa: BLE001 - told to the root; a rank that leaves would end the whole launch
            self._answer(type="failed", during=message["type"], error=f"{type(e).__name__}: {e}")
            self._poll_s = IDLE_POLL_S  # the root asks no more of this rank before the end

    def _hurry(self, _signum: int, _frame: object) -> None:
        self._hurry_until = mono_ns() + int(HURRY_S * 1e9)
        self._poll_s = BUSY_POLL_S
        if (
            self.recorder is not None
        ):  # Open MPI 5 kills a quarter of a second later: there may be no time at the end
            threading.Thread(target=self.recorder.rescue, name="rescue", daemon=True).start()

    def _next(self, within_s: float | None = None) -> dict[str, Any]:
        """The root's next word. Orphan when the launcher has gone, a SIGTERM was not followed by anything, or nothing comes."""
        looked, since = 0, mono_ns()
        silent_ns = int(silent_s() * 1e9)
        patience = int(
            2e9 * self._options.start_timeout_s
        )  # so long the root may take from one word to the next
        while True:
            got = self.world.receive(0)
            if got is not None:
                return got[1]
            now = mono_ns()
            if now - looked > 200_000_000:
                looked = now
                if os.getppid() != self._parent or (self._hurry_until and now > self._hurry_until):
                    raise Orphan
                if self.recorder is not None and self.world.own and now - since > silent_ns:
                    raise Orphan
                if within_s is not None and now - since > within_s * 1e9:
                    raise Orphan
                self._look_for_stop()
            nap(self._poll_s if now - since < patience else self._late_poll_s)

    def _look_for_stop(self) -> None:
        """``mpi_collector stop`` on this host leaves its request here; the root decides."""
        if self._stop_request and os.path.exists(self._stop_request):
            os.unlink(self._stop_request)
            self._answer(type="request")

    def _answer(self, **message: Any) -> None:
        self.world.send(0, **message)

    # ---- the root's words
    def _on_follow(self, message: dict[str, Any]) -> None:
        self._poll_s = IDLE_POLL_S
        self._marks_path = RunDirectory(message["spool_dir"], message["run"]).marks_path

    def mark(self, event: dict[str, Any]) -> None:
        """A mark made on this host; one of a rank that leads none lies beside its leader's spool."""
        if self.recorder is not None:
            self.recorder.mark(event)
        else:
            marks.append(self._marks_path, event)

    def _on_lead(self, message: dict[str, Any]) -> None:
        if self.world.own:
            use_all_cpus()
        self._options = SamplingOptions.from_dict(message["options"])
        self.recorder = self._recorder_class(
            self._options, message["run"], message["key"], message["facts"]
        )
        ready = self.recorder.prepare()
        self._stop_request = (
            RunDirectory.of_spool(ready["spool"]).stop_path if ready["spool"] else ""
        )
        self._answer(type="ready", **ready)

    def _on_spools(self, message: dict[str, Any]) -> None:
        """What dead runs left here."""
        self._answer(
            type="spools", spools=[s for place in message["places"] for s in find_spools(place)]
        )

    def _on_adopt(self, message: dict[str, Any]) -> None:
        """Take one of them as if it had been recorded by this rank."""
        self._members, self.recorder = [], None  # the map of the one before holds its lock
        spool = RecoveredSpool(message["spool_dir"], message["run"], message["key"])
        self.recorder = cast(BatchRecorder, spool)  # its face at the end of a run
        self._answer(type="adopted", about=spool.about())

    def _on_clock(self, _message: dict[str, Any]) -> None:
        self._poll_s = BUSY_POLL_S
        echoes = self.world.request_echoes(ECHOES, 2.0)
        if echoes and self.recorder is not None:
            self.recorder.clock(*best_echo(echoes))
        self._answer(type="clocked", bound_ns=best_echo(echoes)[2] if echoes else None)

    def _on_start(self, message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.start(message["t0_ns"], message["epoch_ns"], message["capacity"])
        if self.recorder.wait_first(self._options.start_timeout_s):
            self._answer(type="sampling")
        else:
            self._answer(
                type="failed",
                during="start",
                error=self.recorder.stop()["failure"] or "no first sample",
            )

    def _on_idle(self, _message: dict[str, Any]) -> None:
        self._poll_s = IDLE_POLL_S if not self._hurry_until else BUSY_POLL_S

    def _on_snapshot(self, _message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self._answer(type="snapshot", snapshot=self.recorder.snapshot())

    def _on_flush(self, _message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.flush()

    def _on_replicate(self, message: dict[str, Any]) -> None:
        assert self.recorder is not None
        doc, blob = self.recorder.replicate(message["got"])
        self._answer(type="replica", doc=doc, bytes=len(blob))
        self.world.send_blob(0, blob)

    def _on_stop(self, _message: dict[str, Any]) -> None:
        self._poll_s, self._late_poll_s = BUSY_POLL_S, AFTER_POLL_S
        assert self.recorder is not None
        self._answer(type="stopped", **self.recorder.stop())

    def _on_pack(self, message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self._members = list(self.recorder.pack(message["json"]))
        self._answer(
            type="packed", facts=self.recorder.facts(), heads=[m.head() for m in self._members]
        )

    def _on_send(self, _message: dict[str, Any]) -> None:
        chunks = (c for m in self._members for c in m.chunks)
        self.world.send_stream(0, chunks, self._options.gather_timeout_s)
        self._members = []

    def _on_discard(self, _message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.discard()
        self.recorder = None
        self._answer(type="discarded")
