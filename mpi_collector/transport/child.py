"""A recorder in a process of its own.

The GIL of the program that is recorded does not delay the samples, nor the sampler the program.

The process is an agent on a pipe. It ends when the pipe closes, and keeps its spool then.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any, cast

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.errors import SessionLostError
from mpi_collector.node.agent.agent import Agent, AgentService
from mpi_collector.node.agent.live import NO_VECTOR
from mpi_collector.node.agent.messages import ReadyReport, StopReport
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.node.table.npy import NpzMember
from mpi_collector.transport.loop_thread import LoopThread
from mpi_collector.transport.one_thread import ONE_THREAD
from mpi_collector.transport.own_python import python_argv
from mpi_collector.transport.session import Session

_START_S = 60.0
_POLL_S = 0.01
_LIVE_S = 1.0
#: signals that are meant for the program that started the child
_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def serve_agent(recorder_class: type[BatchRecorder]) -> None:
    """Be the child: an agent on stdin and stdout that accepts no other connection."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    agent = Agent(AgentService(recorder_class))
    signal.signal(signal.SIGTERM, agent.terminate)
    agent.attach(os.dup(0), os.dup(1))
    agent.serve()


class ChildRecorder(BatchRecorder):
    """A recorder whose work is done by a child process that runs ``program``."""

    program = "from mpi_collector.transport.child import *; serve_agent(BatchRecorder)"

    def __init__(self, options: SamplingOptions, run: str, key: str, facts: dict[str, Any]) -> None:
        super().__init__(options, run, key, facts)
        self._loop = LoopThread("recorder")
        self._session = Session(python_argv(self.program), (), {**os.environ, **ONE_THREAD})
        self._timeout_s = max(_START_S, options.gather_timeout_s)

    def _request(self, do: str, **fields: Any) -> dict[str, Any]:
        """Return the answer of the child.

        SessionLostError when it has died, RuntimeError when the request failed.
        """
        return self._loop.run(self._session.request(do, self._timeout_s, **fields))[0]

    def prepare(self) -> ReadyReport:
        self._loop.run(self._session.connect(_START_S))
        answer = self._request(
            "prepare", options=self.options.to_dict(), run=self.run, key=self.key, facts=self._facts
        )
        return cast(ReadyReport, answer)

    def clock(self, mono_ns: int, offset_ns: int, bound_ns: int) -> None:
        self._request("clock", mono_ns=mono_ns, offset_ns=offset_ns, bound_ns=bound_ns)

    def start(self, t0_ns: int, epoch_ns: int, capacity: int, hosts: int = 0) -> None:
        self._request("start", t0_ns=t0_ns, epoch_ns=epoch_ns, capacity=capacity, hosts=hosts)

    def wait_first(self, timeout_s: float) -> bool:
        deadline = mono_ns() + int(timeout_s * 1e9)
        while mono_ns() < deadline:
            answer = self._request("first")
            if answer["sampling"] or answer["failure"]:
                return bool(answer["sampling"])
            self._loop.run(asyncio.sleep(_POLL_S))
        return False

    def stop(self) -> StopReport:
        return cast(StopReport, self._request("stop"))

    def mark(self, event: dict[str, Any]) -> None:
        self._request("mark", event=event)

    def snapshot(self) -> dict[str, Any]:
        return dict(self._request("snapshot")["snapshot"])

    def flush(self) -> None:
        self._request("flush")

    def replicate(self, got: int) -> tuple[dict[str, Any], bytes]:
        answer, blob = self._loop.run(self._session.request("replicate", self._timeout_s, got=got))
        return dict(answer["doc"]), blob

    def live(self) -> dict[str, Any]:
        try:
            return self._loop.run(self._session.request("live", _LIVE_S))[0]
        except (SessionLostError, RuntimeError, OSError):
            return dict(NO_VECTOR)

    def facts(self) -> HostFacts:
        """Have the child pack without the suite's samples: they are encoded with the files."""
        return cast(HostFacts, self._request("pack", json=False)["facts"])

    def pack(self, json: bool) -> Iterator[NpzMember]:
        for number, head in enumerate(self._request("pack", json=json)["heads"]):
            yield RemoteMember(self, number, head)

    def fetch(self, member: int, offset: int) -> bytes:
        """Return bytes of a packed member from ``offset`` on."""
        limit_s = self.options.gather_timeout_s
        work = self._session.request("fetch", limit_s, member=member, offset=offset)
        return self._loop.run(work)[1]

    def back_up(self) -> None:
        """No-op: the child makes the backup itself when its pipe closes."""

    def discard(self) -> None:
        self._request("discard")
        self.close()

    def close(self, remove: bool = False, why: str = "") -> None:
        """End the child; its spool stays unless it was discarded."""
        del remove, why
        if self._loop.alive:
            self._loop.run(self._session.disconnect())
            self._loop.close()


class RemoteMember(NpzMember):
    """A packed member whose bytes are still in the child."""

    def __init__(self, recorder: ChildRecorder, number: int, head: dict[str, Any]) -> None:
        self.kind = head["kind"]
        self.name = head["name"]
        self.crc = head["crc"]
        self.size = head["size"]
        self.packed = head["packed"]
        self._recorder = recorder
        self._number = number

    @property
    def chunks(self) -> Iterator[bytes]:  # type: ignore[override]
        """Fetch the bytes piece by piece."""
        offset = 0
        while offset < self.packed:
            blob = self._recorder.fetch(self._number, offset)
            yield blob
            offset += len(blob)
