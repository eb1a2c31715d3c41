"""Which ticks are kept when the array is smaller than the run: every policy against a model that keeps everything."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nodekit import QUICK

from mpi_collector.node.row.placement import POLICIES, Placement, level_of

CAPACITIES = st.integers(2, 40)
#: rising ticks with any pattern of gaps, the first not always 0
TICKS = st.lists(
    st.one_of(*[st.just(1)] * 3, st.integers(1, 300)), min_size=1, max_size=200
).flatmap(
    lambda gaps: st.integers(-1, 50).map(
        lambda first: [first + sum(gaps[: i + 1]) for i in range(len(gaps))]
    )
)


def array_after(placement: Placement, ticks: list[int]) -> dict[int, int]:
    """{slot: tick} after these ticks were offered."""
    array: dict[int, int] = {}
    for tick in ticks:
        slot = placement.place(tick)
        assert -1 <= slot < placement.capacity
        if slot >= 0:
            array[slot] = tick
    return array


@QUICK
@given(capacity=CAPACITIES, ticks=TICKS)
@example(capacity=2, ticks=list(range(300)))
@example(capacity=3, ticks=[5, 6, 7, 8, 9, 10, 11, 12, 300])
def test_decimate_keeps_what_the_level_says(capacity: int, ticks: list[int]) -> None:
    """After any ticks, those divisible by 2^L are in the array, each where it was put, whatever was missed."""
    placement = Placement("decimate", capacity)
    placed: dict[int, int] = {}
    array: dict[int, int] = {}
    for n, tick in enumerate(ticks):
        slot = placement.place(tick)
        assert slot < capacity
        if slot >= 0:
            placed[tick] = slot
            array[slot] = tick
        divisor = 2 ** level_of(tick, capacity)
        kept = {t for t in ticks[: n + 1] if t % divisor == 0}
        assert (slot >= 0) == (tick % divisor == 0) and len(kept) <= capacity
        assert all(array[placed[t]] == t for t in kept)
        assert placement.level == level_of(tick, capacity)


@given(tick=st.integers(0, 10**9), capacity=st.integers(2, 10**6))
def test_level_is_the_smallest_that_fits(tick: int, capacity: int) -> None:
    """At level L the ticks 0 .. tick that are kept fit, at L - 1 they do not."""
    level = level_of(tick, capacity)
    assert len(range(0, tick + 1, 2**level)) <= capacity
    assert level == 0 or len(range(0, tick + 1, 2 ** (level - 1))) > capacity


@QUICK
@given(capacity=CAPACITIES, ticks=TICKS)
def test_decimate_keeps_the_first(capacity: int, ticks: list[int]) -> None:
    """Tick 0 is never given up."""
    assert (
        0
        in array_after(
            Placement("decimate", capacity), [0, *ticks[1:]] if ticks[0] < 1 else [0, *ticks]
        ).values()
    )


@QUICK
@given(
    capacity=CAPACITIES,
    length=st.integers(1, 400),
    missed=st.lists(st.integers(0, 2**400), min_size=2, max_size=2),
)
def test_two_hosts_line_up(capacity: int, length: int, missed: list[int]) -> None:
    """Hosts that missed different ticks are at the same level at the same tick and keep the same of what both have."""
    hosts = [[t for t in range(length) if not bits >> t & 1] for bits in missed]
    both = sorted(set(hosts[0]) & set(hosts[1]))
    kept = []
    for ticks in hosts:
        placement = Placement("decimate", capacity)
        levels = {}
        array: dict[int, int] = {}
        for tick in ticks:
            slot = placement.place(tick)
            array.update({slot: tick} if slot >= 0 else {})
            levels[tick] = placement.level
        divisor = 2 ** level_of(length - 1, capacity)
        kept.append(({t for t in array.values() if t % divisor == 0}, levels))
    (a, levels_a), (b, levels_b) = kept
    assert all(levels_a[t] == levels_b[t] for t in both)
    assert (
        a & set(both)
        == b & set(both)
        == {t for t in both if t % 2 ** level_of(length - 1, capacity) == 0}
    )


@QUICK
@given(capacity=CAPACITIES, last=st.integers(0, 2000))
def test_pace_skips_only_what_is_not_kept(capacity: int, last: int) -> None:
    """A sampler that takes only the ticks that pace() asks for ends with the same array as one that takes all."""
    sparse, tick = [], 0
    placement = Placement("decimate", capacity)
    while True:
        tick += -tick % placement.pace(tick)[0]
        if tick > last:
            break
        sparse.append(tick)
        tick += 1
    divisor = 2 ** level_of(sparse[-1], capacity)
    arrays = [
        array_after(Placement("decimate", capacity), ticks)
        for ticks in (sparse, list(range(sparse[-1] + 1)))
    ]
    assert {t for t in arrays[0].values() if t % divisor == 0} == {
        t for t in arrays[1].values() if t % divisor == 0
    }
    # a tick that is due at one level may be the first of the next
    assert sum(placement.place(t) < 0 for t in sparse) <= placement.level


@QUICK
@given(capacity=CAPACITIES, tick=st.integers(0, 100_000))
def test_pace_says_how_long_it_holds(capacity: int, tick: int) -> None:
    """The level is the same up to the tick it names, and another one there."""
    stride, until = Placement("decimate", capacity).pace(tick)
    assert 2 ** level_of(until - 1, capacity) == stride == 2 ** level_of(tick, capacity)
    assert 2 ** level_of(until, capacity) == 2 * stride


@QUICK
@given(capacity=CAPACITIES, ticks=TICKS)
def test_ring_keeps_the_newest(capacity: int, ticks: list[int]) -> None:
    """The last ``capacity`` samples are there, missed ticks or not."""
    assert sorted(array_after(Placement("ring", capacity), ticks).values()) == ticks[-capacity:]


@QUICK
@given(capacity=CAPACITIES, ticks=TICKS)
def test_stop_keeps_the_oldest(capacity: int, ticks: list[int]) -> None:
    """The first ``capacity`` samples are there and nothing is overwritten."""
    placement = Placement("stop", capacity)
    assert sorted(array_after(placement, ticks).values()) == ticks[:capacity]
    assert {placement.pace(t) for t in ticks} <= {(1, 1 << 62)}


def test_refuses() -> None:
    """A policy that is not known and an array of one row."""
    with pytest.raises(ValueError, match="decimate, ring, stop"):
        Placement("full", 10)
    for policy in POLICIES:
        with pytest.raises(ValueError, match="2 rows"):
            Placement(policy, 1)
