"""Rank 0 with thousands of leaders: what it does between two looks at its job must not grow with them."""

from __future__ import annotations

from typing import Any

from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import HostState
from mpi_collector.transport.ranks import coordinator as root_module
from mpi_collector.transport.ranks.coordinator import Coordinator


class Leaders:
    """A world whose leaders answer at once."""

    rank, own = 0, True

    def __init__(self, count: int) -> None:
        self.size = count + 1
        self.sent: list[tuple[int, str]] = []
        self._answers: list[tuple[int, dict[str, Any]]] = []

    def send(self, dest: int, **message: Any) -> None:
        self.sent.append((dest, message["type"]))
        if message["type"] == "clock":
            self._answers.append((dest, {"type": "clocked", "bound_ns": dest}))

    def receive(self, _source: int = -1) -> tuple[int, dict[str, Any]] | None:
        return self._answers.pop(0) if self._answers else None

    def serve_echoes(self, peers: list[int], count: int, timeout_s: float) -> None:
        pass


def test_clocks_are_measured_a_few_at_a_turn() -> None:
    """A leader that sleeps answers after 0.4 s; thousands of them one after the other would hide the end of the job."""
    world = Leaders(100)
    root = Coordinator(SamplingOptions(), "run", world)  # type: ignore[arg-type]
    root.leaders = {r: HostState(f"node{r}", f"node{r}", {}, sampling=True) for r in range(101)}
    root._clocked_ns = root_module.mono_ns() - 2 * root_module._CLOCK_EVERY_NS
    turns = []
    for _ in range(8):
        before = len(world.sent)
        assert not root.poll()
        turns.append([rank for rank, kind in world.sent[before:] if kind == "clock"])
    assert max(map(len, turns)) <= 16
    assert sorted(r for turn in turns for r in turn) == list(range(1, 101))
    assert turns[-1] == []  # due again after its time only
    assert all(root.leaders[r].clock_bound_ns == r for r in range(1, 101))
    assert sorted(r for r, kind in world.sent if kind == "idle") == list(range(1, 101))
    root.measure_clocks()  # before the first sample and at the stop, when nobody sleeps, all at once
    assert sum(kind == "clock" for _, kind in world.sent) == 200
