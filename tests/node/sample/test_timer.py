"""Timers sleep until a deadline, not shorter, and can be woken."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from nodekit import HOUR, MS

from mpi_collector.node.sample import timer as timer_module
from mpi_collector.node.sample.timer import SelectTimer, TimerFd, make_timer

EARLY_NS = 200_000  #: what counts as on time; the timers promise a quarter of it
HANG_S = 20.0


@pytest.fixture(params=[TimerFd, SelectTimer])
def timer(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both timers in turn."""
    try:
        made = request.param()
    except (OSError, AttributeError) as e:
        pytest.skip(f"no timerfd: {e}")
    yield Schedule(made)
    made.close()


class Schedule:
    """Waits for deadlines as the sampler does: arms the timer only when they change."""

    def __init__(self, timer: Any) -> None:
        self.timer, self._due, self.woken = timer, (0, 0), False

    def wait(self, deadline: int, period: int) -> int:
        while True:
            exact = True
            if (deadline, period) != self._due:
                exact = self.timer.arm(deadline, period)
            self.timer.block()
            self._due = (deadline + period, period) if exact else (0, 0)
            now = time.monotonic_ns()
            if now >= deadline - self.timer.early_ns or self.woken:
                return now
            self._due = (0, 0)

    def wake(self) -> None:
        self.woken = True
        self.timer.wake()


def in_time(call: Any) -> None:
    """Run ``call`` in a thread; fail, rather than hang, when it does not end."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(HANG_S)
    assert not thread.is_alive(), "still waiting"


def test_never_early(timer: Any) -> None:
    """A periodic wait ends at or behind every deadline of the grid."""
    t0 = time.monotonic_ns() + 2 * MS

    def periods() -> None:
        for k in range(60):
            timer.wait(t0 + k * 3 * MS, 3 * MS)
            early.append(t0 + k * 3 * MS - time.monotonic_ns())

    early: list[int] = []
    in_time(periods)
    assert len(early) == 60 and max(early) <= EARLY_NS


def test_schedule_may_change(timer: Any) -> None:
    """Another period, another phase, a single deadline without a period, each in turn."""
    early = []

    def changes() -> None:
        at = time.monotonic_ns()
        for period, steps in ((2 * MS, 3), (4 * MS, 3), (0, 1), (1 * MS, 5), (0, 1), (3 * MS, 2)):
            at += 1_700_000
            for _ in range(steps):
                timer.wait(at, period)
                early.append(at - time.monotonic_ns())
                at += period

    in_time(changes)
    assert max(early) <= EARLY_NS


def test_deadline_in_the_past(timer: Any) -> None:
    """What is due already does not wait for the next period."""

    def past() -> None:
        for _ in range(3):
            timer.wait(time.monotonic_ns() - 5 * MS, HOUR)

    in_time(past)


def test_late_sleeper_catches_up(timer: Any) -> None:
    """After sleeping through some periods the next wait ends at its own deadline, not before."""
    early = []

    def sleepy() -> None:
        t0 = time.monotonic_ns() + MS
        for k in (0, 1, 9, 10, 11, 30):
            timer.wait(t0 + k * 2 * MS, 2 * MS)
            early.append(t0 + k * 2 * MS - time.monotonic_ns())
            if k == 1:
                time.sleep(0.015)

    in_time(sleepy)
    assert max(early) <= EARLY_NS


@pytest.mark.parametrize("period", [0, HOUR, 7 * MS])
def test_wake_before_wait(timer: Any, period: int) -> None:
    """Once woken it never sleeps again, however often it is asked and for whatever deadline."""
    timer.wake()

    def many() -> None:
        for k in range(20):
            timer.wait(time.monotonic_ns() + HOUR + k, period)

    in_time(many)


def test_wake_twice(timer: Any) -> None:
    """Waking again changes nothing."""
    timer.wake()
    timer.wake()
    in_time(lambda: timer.wait(time.monotonic_ns() + HOUR, HOUR))
    timer.wake()
    in_time(lambda: timer.wait(time.monotonic_ns() + HOUR, HOUR))


@pytest.mark.parametrize("delay", [0.0, 0.0005, 0.03])
def test_wake_from_another_thread(timer: Any, delay: float) -> None:
    """A thread that sleeps for an hour returns when it is woken, whether it sleeps yet or not."""
    thread = threading.Thread(
        target=timer.wait, args=(time.monotonic_ns() + HOUR, HOUR), daemon=True
    )
    thread.start()
    time.sleep(delay)
    timer.wake()
    thread.join(HANG_S)
    assert not thread.is_alive()


def test_wake_races_with_a_fast_schedule() -> None:
    """However wake() falls into a wait that re-arms all the time, the thread ends: many tries."""
    for kind in (TimerFd, SelectTimer):
        for n in range(60):
            try:
                timer = Schedule(kind())
            except (OSError, AttributeError):
                break
            rounds = []
            stop = threading.Event()

            def loop(
                timer: Any = timer, stop: threading.Event = stop, rounds: list[int] = rounds
            ) -> None:
                at = time.monotonic_ns()
                while not stop.is_set():
                    at += 50_000 if len(rounds) < 20 else HOUR
                    timer.wait(at, 50_000 + len(rounds) % 2)
                    rounds.append(at)

            thread = threading.Thread(target=loop, daemon=True)
            thread.start()
            time.sleep(n * 30e-6)
            stop.set()
            timer.wake()
            thread.join(HANG_S)
            assert not thread.is_alive(), kind.__name__
            timer.timer.close()


def test_make_timer_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where timerfd is not to be had, select does it."""
    for error in (OSError, AttributeError, ImportError):

        def refuse(error: type[Exception] = error) -> None:
            raise error("not here")

        monkeypatch.setattr(timer_module, "_timerfd", refuse)
        made = make_timer()
        assert isinstance(made, SelectTimer)
        made.close()


def test_descriptors_are_given_back(timer: Any) -> None:
    """A closed timer leaves no descriptor behind."""
    import os

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        type(timer.timer)().close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_preempted_while_arming() -> None:
    """A timer that was set late, by a preemption after reading the clock, is set again.

    Otherwise every later tick would be that late.
    """
    try:
        timer = TimerFd()
    except (OSError, AttributeError):
        pytest.skip("no timerfd")
    really, delays = timer._set, [0.01, 0.01]

    def slow(fd: int, first: int, period: int) -> None:
        if delays:
            time.sleep(delays.pop())
        really(fd, first, period)

    timer._set = slow
    period = 50_000_000
    deadline = time.monotonic_ns() + period
    schedule = Schedule(timer)
    late = [
        schedule.wait(deadline + k * period, period) - (deadline + k * period) for k in range(5)
    ]
    timer.close()
    assert not delays
    assert min(late) < 5_000_000


def test_descriptors_beyond_select() -> None:
    """Timers work with descriptors above 1023, which select does not take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"no more than {hard} files here")
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    try:
        while not held or held[-1] < 1100:
            held.append(os.open(os.devnull, os.O_RDONLY))
        timer = Schedule(SelectTimer())
        early: list[int] = []

        def wait() -> None:
            at = time.monotonic_ns() + 3 * MS
            early.append(at - timer.wait(at, 0))
            timer.wake()
            timer.wait(at + HOUR, 0)

        in_time(wait)
        assert early[0] <= EARLY_NS
        timer.timer.close()
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
