"""What a sample may cost, counted instead of timed wherever that is possible: a noisy machine must not fail this.

Every guard is also shown a sampler that was made slow on purpose, and has to object.
docs/performance.md has the times.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from by_hand import ByHand

from mpi_collector.batch.decoder import BatchDecoder
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.sample.sampler import Sampler
from mpi_collector.node.sources import select
from mpi_collector.node.spool.writer import Spool

ROOT = Path(__file__).parent / "fixtures" / "linux-6.18"
BATCH = 64
BASIC = ("diskstats", "net/dev", "vmstat", "meminfo", "loadavg")

CALLS = 58  #: of Python and C functions; 44 when this was written
READS = 8  #: system calls that read: five files, those of more than a page again
KEPT_BYTES = 64  #: left behind per sample; nothing but noise of the interpreter's own free lists


class Ticks:
    """A sampler without its thread, one tick after the other.

    On kernel files that do not change.
    """

    def __init__(self, decoder: type[RowDecoder] = BatchDecoder) -> None:
        self.probe = Probe(select("basic"), str(ROOT))
        self.spool = Spool.create(None, "guard", self.probe.meta(), self.probe.caps, BATCH, 4097)
        self.by_hand = ByHand()
        self.sampler = Sampler(
            self.probe,
            self.spool,
            decoder(self.probe.sources, self.probe.layout, self.spool.event),
            "ring",
            timer=self.by_hand,
        )
        self.run(2 * BATCH)  # shapes are learnt, structures made

    def run(self, count: int) -> None:
        self.by_hand.run(self.sampler, count)

    def close(self) -> None:
        self.sampler.close()
        self.spool.close(True)


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    made = Ticks()
    yield made
    made.close()


def slowed(ticks: Ticks, extra: Callable[[], object]) -> Ticks:
    """The same sampler with something more in every sample."""
    ticks.by_hand.each = extra
    return ticks


# ---- what can be counted
def calls_per_sample(ticks: Ticks) -> float:
    """Calls of Python and C functions."""
    count = 0

    def note(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        ticks.run(4 * BATCH)
    finally:
        sys.setprofile(None)
    return count / (4 * BATCH)


def test_function_calls(ticks: Ticks) -> None:
    """Every call is cold code at the tick.

    And what a cache miss costs does not show in a warm loop.
    """
    assert calls_per_sample(ticks) < CALLS


def test_function_calls_are_counted(ticks: Ticks) -> None:
    """One more pass over the fields in Python is found."""
    words = (ROOT / "proc/loadavg").read_text().split() * 20
    assert calls_per_sample(slowed(ticks, lambda: [str.isdigit(w) for w in words])) > CALLS


def reads_so_far() -> int:
    """System calls of this thread that read something."""
    lines = Path("/proc/thread-self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("syscr:")))


def reads_per_sample(ticks: Ticks) -> float:
    before = reads_so_far()
    idle = reads_so_far() - before  # what the looking itself takes
    before = reads_so_far()
    ticks.run(4 * BATCH)
    return (reads_so_far() - before - idle) / (4 * BATCH)


io_is_counted = pytest.mark.skipif(
    not Path("/proc/thread-self/io").exists(), reason="this kernel does not count reads"
)


@io_is_counted
def test_system_calls(ticks: Ticks) -> None:
    assert len(BASIC) <= reads_per_sample(ticks) < READS


@io_is_counted
def test_system_calls_are_counted(ticks: Ticks) -> None:
    """A file that is opened and read the ordinary way once more is found."""

    def reopen() -> None:
        for name in BASIC:
            (ROOT / "proc" / name).read_bytes()

    assert reads_per_sample(slowed(ticks, reopen)) > READS


def kept_per_sample(ticks: Ticks) -> float:
    """Bytes that a sample leaves behind."""
    tracemalloc.start()
    try:
        ticks.run(4 * BATCH)
        before = tracemalloc.get_traced_memory()[0]
        ticks.run(32 * BATCH)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return (after - before) / (32 * BATCH)


def test_memory_is_flat(ticks: Ticks) -> None:
    assert kept_per_sample(ticks) < KEPT_BYTES


def test_memory_that_grows_is_found(ticks: Ticks) -> None:
    kept: list[bytes] = []
    assert kept_per_sample(slowed(ticks, lambda: kept.append(bytes(256)))) > KEPT_BYTES


# ---- what can only be timed, against something timed in the same breath
def naive() -> dict[str, Any]:
    """Open, read, split, int."""
    out: dict[str, Any] = {}
    for name in ("vmstat", "meminfo"):
        with open(ROOT / "proc" / name) as f:
            out[name] = {p[0]: int(p[1]) for p in map(str.split, f)}
    with open(ROOT / "proc/diskstats") as f:
        out["diskstats"] = [
            [x if i == 2 else int(x) for i, x in enumerate(line.split())] for line in f
        ]
    with open(ROOT / "proc/net/dev") as f:
        out["netdev"] = [[p[0]] + [int(x) for x in p[1:]] for p in map(str.split, list(f)[2:])]
    with open(ROOT / "proc/loadavg") as f:
        out["loadavg"] = f.read().split()
    return out


def times_naive(ticks: Ticks) -> float:
    """CPU time of a sample in multiples of the naive one's.

    The least of either in rounds that alternate.
    """
    ours, theirs = [], []
    for _ in range(12):
        began = time.thread_time_ns()
        ticks.run(BATCH)
        between = time.thread_time_ns()
        for _ in range(BATCH):
            naive()
        ours.append(between - began)
        theirs.append(time.thread_time_ns() - between)
    return min(ours) / min(theirs)


def test_cheaper_than_the_naive_parser(ticks: Ticks) -> None:
    assert times_naive(ticks) < 1


def test_dearer_than_the_naive_parser_is_found(ticks: Ticks) -> None:
    assert times_naive(slowed(ticks, lambda: (naive(), naive()))) > 1
