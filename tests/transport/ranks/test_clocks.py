"""What rank 0 does between two looks at its job does not grow with thousands of leaders."""

from __future__ import annotations

from typing import Any

from mpi_collector.transport.base import HostState
from mpi_collector.transport.ranks.clocks import EVERY_NS, GROUP, LeaderClocks
from mpi_collector.transport.ranks.inbox import Inbox


class Leaders:
    """A world whose leaders answer at once."""

    rank, own = 0, True
    ringer = None

    def __init__(self, count: int) -> None:
        self.size = count + 1
        self.sent: list[tuple[int, str]] = []
        self._answers: list[tuple[int, dict[str, Any]]] = []

    def send(self, dest: int, **message: Any) -> None:
        self.sent.append((dest, message["do"]))
        if message["do"] == "measure_clock":
            self._answers.append((dest, {"answer": "measure_clock", "bound_ns": dest}))

    def receive(self, _source: int = -1) -> tuple[int, dict[str, Any]] | None:
        return self._answers.pop(0) if self._answers else None

    def serve_echoes(self, peers: list[int], count: int, timeout_s: float) -> None:
        pass


def test_clocks_are_measured_a_few_at_a_turn() -> None:
    """Only a few leaders are measured in one turn.

    One that sleeps answers after 0.4 s: thousands in one turn would hide the end of the job.
    """
    world: Any = Leaders(100)
    leaders = {r: HostState(f"node{r}", f"node{r}", {}, sampling=True) for r in range(101)}
    now_ns = [0]
    inbox = Inbox(world, lambda rank, error: None)
    clocks = LeaderClocks(world, inbox, leaders, lambda: list(range(1, 101)), lambda: now_ns[0])
    clocks.measure_due()
    assert world.sent == []  # not due yet
    now_ns[0] = 2 * EVERY_NS
    turns = []
    for _ in range(8):
        before = len(world.sent)
        clocks.measure_due()
        turns.append([rank for rank, do in world.sent[before:] if do == "measure_clock"])
    assert max(map(len, turns)) <= GROUP
    assert sorted(r for turn in turns for r in turn) == list(range(1, 101))
    assert turns[-1] == []
    assert {r: leaders[r].clock_bound_ns for r in range(1, 101)} == {r: r for r in range(1, 101)}
    assert sorted(r for r, do in world.sent if do == "idle") == list(range(1, 101))
    clocks.measure_all()  # before the first sample and at the stop, when no leader sleeps
    assert sum(do == "measure_clock" for _, do in world.sent) == 200
