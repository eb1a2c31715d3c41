"""What a transport is to the rest: hosts that are made ready, started, stopped and emptied."""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from mpi_collector.node.table.facts import HostFacts


@dataclass
class HostState:
    """A host of the run as the root knows it."""

    key: str
    hostname: str
    identity: dict[str, Any]
    ready: dict[str, Any] = field(default_factory=dict)
    sampling: bool = False
    clock_bound_ns: int | None = 0
    stopped: dict[str, Any] | None = None
    collected: bool = False
    from_replica: bool = False  #: not collected, but here as of its last --replicate
    error: str | None = None
    gone: bool = False  #: does not answer any more; nobody may wait for it in MPI
    #: empty until the host is collected
    facts: HostFacts = field(default_factory=lambda: cast(HostFacts, {}))

    def mark_lost(self, error: str) -> None:
        """It did not answer in time."""
        self.error, self.gone = error, True


class Sink(Protocol):
    """Takes the packed hosts, one at a time."""

    def begin_host(self, key: str) -> None: ...
    def begin(self, head: dict[str, Any]) -> None: ...
    def write(self, data: bytes | memoryview) -> None: ...
    def end_host(self) -> None: ...
    def drop_host(self) -> None:
        """Forget what came of the host that was begun: its rank died while sending."""


class Transport(Protocol):
    """What the life cycle drives: the MPI root, the local one, the ssh launcher, a root behind a bridge."""

    missing_ranks: list[int]
    capacity: int
    t0_ns: int
    epoch_ns: int

    @property
    def method(self) -> str: ...
    @property
    def hosts(self) -> list[HostState]: ...
    def open(self, facts: dict[str, Any]) -> None: ...
    def start(self) -> None: ...
    def snapshot(self) -> dict[str, dict[str, Any]]: ...
    def poll(self) -> bool | None: ...
    def status(self) -> dict[str, Any]:
        """hosts, sampling, last_tick, missed, as far as is known without asking anybody."""

    def stop(self) -> None: ...
    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None: ...
    def detach(self) -> None: ...
    def close(self, saved: bool) -> bool: ...


Progress = Callable[[str, int, int], None]


def run_status(hosts: list[HostState], last_tick: int = -1, missed: int = 0) -> dict[str, Any]:
    """``Transport.status``."""
    sampling = sum(h.sampling and h.error is None for h in hosts)
    return {"hosts": len(hosts), "sampling": sampling, "last_tick": last_tick, "missed": missed}


def nap(seconds: float) -> None:
    """Sleep by select, which no faked or stepped clock disturbs (time.sleep fails under libfaketime)."""
    select.select((), (), (), seconds)


class MemberSplitter:
    """Cuts a stream of bytes back into the members it was made of."""

    def __init__(self, heads: list[dict[str, Any]], sink: Sink) -> None:
        self._heads, self._sink = iter(heads), sink
        self.total = sum(int(h["packed"]) for h in heads)
        self._left = 0

    def take(self, data: memoryview) -> None:
        while len(data):
            while not self._left:
                head = next(self._heads)
                self._left = int(head["packed"])
                self._sink.begin(head)
            n = min(self._left, len(data))
            self._sink.write(data[:n])
            self._left -= n
            data = data[n:]
