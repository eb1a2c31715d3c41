"""Sources that are read now and then, or cost more than their budget."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.node.read.pacing import Throttled
from mpi_collector.node.read.readable import Readable
from mpi_collector.node.status import SKIPPED


class Counting(Readable):
    capacity = 100

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost_us: int = 0) -> None:
        super().__init__()
        self.now, self.cost_us = 0, cost_us

    def read(self, view: memoryview) -> int:
        self.now += 1000 * self.cost_us
        return 1

    def close(self) -> None:
        pass


def paced(inner: Any, every: int, budget_us: int) -> tuple[Throttled, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    out = Throttled(inner, "x", every, budget_us, lambda: inner.now)
    out.on_event = events.append
    return out, events


def reads(source: Throttled, ticks: range) -> list[int]:
    """The ticks at which it was read."""
    view = memoryview(bytearray(10))
    return [t for t in ticks if source.read_into(view, t) == 1]


@pytest.mark.parametrize(("tick_s", "every"), [(1, 32), (10, 4), (25, 2), (40, 1), (0.01, 64)])
def test_however_dear_it_is_read_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, tick_s: float, every: int
) -> None:
    """Where ticks are further apart, at each."""
    inner = Counting(monkeypatch, 10_000)
    source = Throttled(inner, "x", 1, 50, lambda: inner.now, apart_s=60.0)
    view = memoryview(bytearray(10))
    for tick in range(2000):
        inner.now = round(tick * tick_s * 1e9)
        source.read_into(view, tick)
    assert source.every == every


def test_every_nth_tick_and_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = paced(Counting(monkeypatch), 4, 0)
    view = memoryview(bytearray(10))
    assert [source.read_into(view, t) for t in range(6)] == [
        1,
        -SKIPPED,
        -SKIPPED,
        -SKIPPED,
        1,
        -SKIPPED,
    ]
    assert source.read_into(view, -1) == 1


@pytest.mark.parametrize(("cost_us", "every"), [(99, 1), (150, 2), (390, 4), (10_000, 64)])
def test_a_source_above_its_budget_is_read_less_often_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, cost_us: int, every: int
) -> None:
    """So often that, spread over its ticks, it keeps its budget; one in 64 at least."""
    source, events = paced(Counting(monkeypatch, cost_us), 1, 100)
    seen = reads(source, range(4096))
    assert source.every == every
    assert [e["every"] for e in events] == [2**n for n in range(1, every.bit_length())]
    assert all(e["type"] == "slowed" and e["cost_us"] > 0 for e in events)
    assert seen[-1] - seen[-2] == every


def test_what_is_far_above_its_budget_is_slowed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three readings at each pace; the first one alone, of cold files, slows nothing down."""
    source, events = paced(Counting(monkeypatch, 5000), 1, 50)
    reads(source, range(64))
    assert [(e["every"], e["tick"]) for e in events[:4]] == [(2, 2), (4, 8), (8, 20), (16, 40)]
    counting = Counting(monkeypatch, 5000)
    source, events = paced(counting, 1, 50)
    reads(source, range(1))
    counting.cost_us = 10
    reads(source, range(1, 64))
    assert events == []


def test_one_dear_reading_slows_nothing_down(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch, 20)
    source, events = paced(counting, 1, 100)
    reads(source, range(20))
    counting.cost_us = 60_000_000
    reads(source, range(20, 21))
    counting.cost_us = 20
    reads(source, range(21, 60))
    assert events == []


def test_what_has_become_cheap_again_is_read_as_often_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = Counting(monkeypatch, 1000)
    source, events = paced(counting, 4, 100)
    reads(source, range(2048))
    assert source.every == 64
    counting.cost_us = 5
    reads(source, range(2048, 8192))
    assert source.every == 4
    assert [e["every"] for e in events] == [8, 16, 32, 64, 32, 16, 8, 4]


def test_notices_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the tick of the reading after which they were there."""
    inner = Counting(monkeypatch)
    inner.notices.append("GPU 5 is left out")
    source, events = paced(inner, 1, 0)
    reads(source, range(3))
    inner.notices.append("GPU 5 answers again")
    reads(source, range(3, 6))
    assert events == [
        {"type": "notice", "source": "x", "text": "GPU 5 is left out", "tick": 0},
        {"type": "notice", "source": "x", "text": "GPU 5 answers again", "tick": 3},
    ]
