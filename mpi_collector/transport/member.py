"""A rank other than the root: samples its node if it leads it, and otherwise only waits for the end.

It sleeps and looks for the root's word a few times a second; nothing here may spin, and nothing may fail the job: what
goes wrong is told to the root, and the rank goes on waiting for the end.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.identity import identity
from mpi_collector.node.recorder import use_all_cpus
from mpi_collector.transport.base import nap
from mpi_collector.transport.mpi import Lost, World
from mpi_collector.transport.options import SamplingOptions
from mpi_collector.transport.recorder import NodeRecorder

ECHOES = 25
BUSY_POLL_S = 0.001  #: while the root is known to have more to say soon
IDLE_POLL_S = 0.4  #: a probe with cold caches costs about 150 us: 0.04 % of a core
HURRY_S = 20.0  #: after SIGTERM, how long to wait for the root before leaving the recording in the spool


class Orphan(Exception):
    """The launcher is gone: nobody will ask for the recording any more."""


class Member:
    """``run()`` returns True when the root has dismissed this rank, False when the root is gone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.recorder: NodeRecorder | None = None
        self._parent = os.getppid()
        self._poll_s = BUSY_POLL_S
        self._hurry_until = 0
        self._members: list[Any] = []
        self._options = SamplingOptions()

    def run(self) -> bool:
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            signal.signal(getattr(signal, name), self._hurry)
        for name in ("SIGUSR1", "SIGUSR2"):  # the root's business; hydra sends SIGUSR1 to survivors of a crash
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        self.world.send(0, type="hello", identity=identity(), pid=os.getpid())
        try:
            while True:
                message = self._next()
                if message["type"] == "exit":
                    return True
                try:
                    self._handle(message)
                except Lost:
                    raise
                except Exception as e:  # noqa: BLE001 - told to the root; a rank that leaves would end the whole launch
                    self._answer(type="failed", during=message["type"], error=f"{type(e).__name__}: {e}")
        except (Orphan, Lost):
            return False
        finally:
            if self.recorder is not None:
                self.recorder.close()

    def _hurry(self, _signum: int, _frame: object) -> None:
        self._hurry_until = mono_ns() + int(HURRY_S * 1e9)
        self._poll_s = BUSY_POLL_S

    def _next(self) -> dict[str, Any]:
        """The root's next word. Orphan when the launcher has gone or a SIGTERM was not followed by anything."""
        looked = 0
        while True:
            got = self.world.receive(0)
            if got is not None:
                return got[1]
            now = mono_ns()
            if now - looked > 200_000_000:
                looked = now
                if os.getppid() != self._parent or (self._hurry_until and now > self._hurry_until):
                    raise Orphan
            nap(self._poll_s)

    def _answer(self, **message: Any) -> None:
        self.world.send(0, **message)

    def _handle(self, message: dict[str, Any]) -> None:
        getattr(self, "_on_" + message["type"])(message)

    # ---- the root's words
    def _on_follow(self, _message: dict[str, Any]) -> None:
        self._poll_s = IDLE_POLL_S

    def _on_lead(self, message: dict[str, Any]) -> None:
        use_all_cpus()
        self._options = SamplingOptions.from_dict(message["options"])
        self.recorder = NodeRecorder(self._options, message["run"], message["key"], message["facts"])
        self._answer(type="ready", **self.recorder.prepare())

    def _on_clock(self, _message: dict[str, Any]) -> None:
        self._poll_s = BUSY_POLL_S
        echoes = self.world.echoes(ECHOES, 2.0)
        if echoes and self.recorder is not None:
            self.recorder.clock(*best_echo(echoes))
        self._answer(type="clocked", bound_ns=best_echo(echoes)[2] if echoes else None)

    def _on_start(self, message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.start(message["t0_ns"], message["epoch_ns"], message["capacity"])
        if self.recorder.wait_first(self._options.start_timeout_s):
            self._answer(type="sampling")
        else:
            self._answer(type="failed", during="start", error=self.recorder.stop()["failure"] or "no first sample")

    def _on_idle(self, _message: dict[str, Any]) -> None:
        self._poll_s = IDLE_POLL_S if not self._hurry_until else BUSY_POLL_S

    def _on_stop(self, _message: dict[str, Any]) -> None:
        self._poll_s = BUSY_POLL_S
        assert self.recorder is not None
        self._answer(type="stopped", **self.recorder.stop())

    def _on_pack(self, message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self._members = list(self.recorder.pack(message["json"]))
        self._answer(type="packed", facts=self.recorder.facts(), heads=[m.head() for m in self._members])

    def _on_send(self, _message: dict[str, Any]) -> None:
        chunks = (c for m in self._members for c in m.chunks)
        self.world.send_stream(0, chunks, self._options.gather_timeout_s)
        self._members = []

    def _on_discard(self, _message: dict[str, Any]) -> None:
        assert self.recorder is not None
        self.recorder.discard()
        self.recorder = None
        self._answer(type="discarded")
