"""A recorder in a process of its own: inside somebody else's program neither their GIL nor ours is in the way.

It is the agent of the ssh transport over a pipe. It ends with the pipe, and keeps its spool then.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar, cast

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.node.table.npy import NpzMember
from mpi_collector.transport.session import Session

_T = TypeVar("_T")
_START_S = 60.0


def serve_agent(recorder_class: type[BatchRecorder]) -> None:
    """The child: an agent on stdin and stdout, and no other way to it."""
    import os
    import signal

    from mpi_collector.node.agent.agent import Agent

    for number in (
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):  # the program's, not ours
        signal.signal(number, signal.SIG_IGN)
    agent = Agent(recorder_class=recorder_class)
    signal.signal(signal.SIGTERM, agent.end_soon)
    agent.attach(os.dup(0), os.dup(1))
    agent.serve()


class ChildRecorder(BatchRecorder):
    """A NodeRecorder whose work is done by a child process that runs ``program``."""

    program = "from mpi_collector.transport.child import *; serve_agent(NodeRecorder)"

    def __init__(self, options: SamplingOptions, run: str, key: str, facts: dict[str, Any]) -> None:
        super().__init__(options, run, key, facts)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recorder", daemon=True)
        self._thread.start()
        self._session = Session([sys.executable, "-c", self.program], ())
        self._json = False

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _ask(self, do: str, **fields: Any) -> dict[str, Any]:
        return self._do(
            self._session.request(do, max(_START_S, self.options.gather_timeout_s), **fields)
        )[0]

    def prepare(self) -> dict[str, Any]:
        self._do(self._session.connect(_START_S))
        return self._ask(
            "prepare", options=self.options.to_dict(), run=self.run, key=self.key, facts=self._facts
        )

    def clock(self, mono: int, offset_ns: int, bound_ns: int) -> None:
        self._ask("clock", mono_ns=mono, offset_ns=offset_ns, bound_ns=bound_ns)

    def start(self, t0_root_ns: int, epoch_ns: int, capacity: int) -> None:
        self._ask("start", t0_ns=t0_root_ns, epoch_ns=epoch_ns, capacity=capacity)

    def wait_first(self, timeout_s: float) -> bool:
        deadline = mono_ns() + int(timeout_s * 1e9)
        while mono_ns() < deadline:
            answer = self._ask("first")
            if answer["sampling"] or answer["failure"]:
                return bool(answer["sampling"])
            self._do(asyncio.sleep(0.01))
        return False

    def stop(self) -> dict[str, Any]:
        return self._ask("stop")

    def mark(self, event: dict[str, Any]) -> None:
        """Put a mark into the event log."""
        self._ask("mark", event=event)

    def snapshot(self) -> dict[str, Any]:
        return dict(self._ask("snapshot")["snapshot"])

    def flush(self) -> None:
        self._ask("flush")

    def replicate(self, got: int) -> tuple[dict[str, Any], bytes]:
        return self._do(
            self._session.request(
                "replicate", max(_START_S, self.options.gather_timeout_s), got=got
            )
        )

    def facts(self) -> HostFacts:
        return cast(HostFacts, self._ask("pack", json=self._json)["facts"])

    def pack(self, json: bool) -> Iterator[NpzMember]:
        for number, head in enumerate(self._ask("pack", json=json)["heads"]):
            yield _Fetched(self, number, head)

    def fetch(self, member: int, offset: int) -> bytes:
        limit = self.options.gather_timeout_s
        return self._do(self._session.request("fetch", limit, member=member, offset=offset))[1]

    def rescue(self) -> None:
        """The child does it by itself when this process is gone."""

    def discard(self) -> None:
        self._ask("discard")
        self.close()

    def close(self, remove: bool = False) -> None:
        del remove
        if self._thread.is_alive():
            self._do(self._session.disconnect())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)


class _Fetched(NpzMember):
    """A member that is still in the child."""

    def __init__(self, recorder: ChildRecorder, number: int, head: dict[str, Any]) -> None:
        self.kind, self.name, self.crc, self.size = (
            head["kind"],
            head["name"],
            head["crc"],
            head["size"],
        )
        self.packed = head["packed"]
        self._recorder, self._number = recorder, number

    @property
    def chunks(self) -> Iterator[bytes]:  # type: ignore[override]
        at = 0
        while at < self.packed:
            blob = self._recorder.fetch(self._number, at)
            yield blob
            at += len(blob)
