"""How long rank 0 waits for tables: in all, and once somebody waits for its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpi_collector.errors import PeerLostError
from mpi_collector.transport import deadline as deadline_module
from mpi_collector.transport.base import HostState
from mpi_collector.transport.deadline import GIVEN_UP, Hurry
from mpi_collector.transport.ranks import gather as gather_module
from mpi_collector.transport.ranks.gather import TableGathering
from mpi_collector.transport.ranks.inbox import Inbox


class _Clock:
    """Monotonic time that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1.0
        for module in (gather_module, deadline_module):
            monkeypatch.setattr(module, "mono_ns", lambda: int(self.now_s * 1e9))


class _SlowWorld:
    """Ranks that never send the whole of their tables."""

    def __init__(self, clock: _Clock) -> None:
        self.hurry = Hurry()
        self.limits: list[float] = []
        self._clock = clock

    def send(self, rank: int, **message: object) -> None:
        pass

    def receive_stream(self, rank: int, size: int, take: object, limit_s: float) -> None:
        self.limits.append(limit_s)
        self._clock.now_s += limit_s
        raise PeerLostError("slow")


class _Packed:
    """An inbox in which every rank has packed its table."""

    def wait_for_one(
        self, ranks: set[int], name: str, timeout_s: float
    ) -> tuple[int, dict[str, Any]]:
        head = {"packed": 1000, "name": "x", "kind": "npz", "crc": 0, "size": 1000}
        return min(ranks), {"heads": [head], "facts": {"samples": 1}}


def test_slow_tables_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first may take the whole time-out, and then each of them a tenth."""
    clock = _Clock(monkeypatch)
    world = _SlowWorld(clock)
    leaders = {r: HostState(f"h{r}", f"h{r}", {}) for r in range(1, 21)}
    monkeypatch.setattr(gather_module, "TableCheck", lambda *words: None)

    def stream(sink: object, key: str, heads: object, check: object, receive: Any) -> None:
        receive(1000, None)

    monkeypatch.setattr(gather_module, "stream_table", stream)
    bounds = cast(Callable[[HostState], Any], lambda host: SimpleNamespace(columns=1))
    gathering = TableGathering(cast(Any, world), cast(Any, _Packed()), leaders, 60.0, bounds)
    gathering.receive_each(set(leaders), cast(Any, None), lambda done: None)
    assert len(world.limits) == 20
    assert world.limits[0] == pytest.approx(66, abs=0.1)
    assert world.limits[1:] == pytest.approx([6.0] * 19, abs=0.1)
    assert all("part of its table" in str(h.error) and h.gone for h in leaders.values())


class _SilentWorld:
    """Ranks of which nothing comes."""

    size = 3
    ringer = None

    def __init__(self) -> None:
        self.hurry = Hurry()

    def receive(self) -> None:
        return None


@contextmanager
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(deadline_module, "HURRIED_S", 0.05)
        yield


def test_a_hurry_ends_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of an hour are over as soon as somebody waits for the end, each step anew."""
    world = _SilentWorld()
    inbox = Inbox(cast(Any, world), lambda rank, error: None)
    asked = []

    def hurried() -> bool:
        asked.append(True)
        return len(asked) > 5

    world.hurry.ask_by(hurried)
    with _short_steps(monkeypatch):
        assert inbox.wait_for([1, 2], "stop", 3600) == {}
        assert world.hurry.reason("late") == GIVEN_UP
        world.hurry.begin_step()
        assert not world.hurry.over
        assert inbox.wait_for_one({1, 2}, "pack", 3600) is None
        assert world.hurry.over


def test_no_hurry() -> None:
    hurry = Hurry()
    assert not hurry.asked and not hurry.over and hurry.reason("late") == "late"
