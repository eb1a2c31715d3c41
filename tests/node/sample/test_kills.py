"""kill -9 at any moment: every sample that was taken is recovered, each with its own values."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from nodekit import MS, file_spool, make_root
from selection import all_tests

from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.sample.timer import make_timer
from mpi_collector.node.spool.backup import open_any
from mpi_collector.node.status import OK
from mpi_collector.node.table.table import SampleTable

SEED = "kills"
KILLS = 200 if all_tests() else 10
PARTS = 4
KEYS = [b"nr_key_%d" % n for n in range(40)]


def _text(state: int) -> bytes:
    """The text of a file whose every value is ``state``; it is always of one length."""
    return b"".join(b"%s %09d\n" % (key, state) for key in KEYS)


def _record(base: Path, rows: int, batch: int, started: int) -> None:
    """Sample at 1 kHz until this process is killed; log what each tick has read."""
    root = make_root(base / "root", {"vmstat": _text(0)})
    file = os.open(base / "root/proc/vmstat", os.O_WRONLY)
    log = os.open(base / "log", os.O_WRONLY | os.O_CREAT)
    probe = Probe(sources.select("vmstat"), root)
    spool = file_spool(base, probe, rows)
    timer = make_timer()
    sampler = Sampler(probe, spool, stage_slots=batch, timer=timer)
    block = timer.block
    state = 0

    def change() -> None:
        """Between two samples: the last one is taken only when it is in the log."""
        nonlocal state
        if sampler.taken > state:  # else it waits once more for the same tick
            os.write(log, b"%d %d\n" % (sampler.last_tick, state))
            state += 1
            os.pwrite(file, _text(state), 0)
        block()

    timer.block = change  # type: ignore[method-assign]
    t0 = time.monotonic_ns()
    grid = {"type": "grid", "t0_ns": t0, "interval_ns": MS, "policy": "decimate"}
    spool.event(dict(grid, capacity=sampler.capacity))
    sampler.start(TickGrid(t0, MS))
    sampler.first_sample.wait()
    os.write(started, b"x")
    signal.pause()


def _kill(base: Path, rng: random.Random) -> dict[int, int]:
    """Kill a sampling process at a random moment; return {tick: state} of what it had taken."""
    rows, batch = rng.choice([33, 65, 257, 5000]), rng.choice([1, 2, 7, 32])
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            _record(base, rows, batch, write)
        os._exit(1)
    os.close(write)
    started = os.read(read, 1)
    os.close(read)
    time.sleep(rng.uniform(0, rng.choice([0.002, 0.05, 0.3])))
    os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    assert started and os.WIFSIGNALED(status), "the recorder failed"
    lines = (base / "log").read_bytes().split(b"\n")[:-1]
    return {int(tick): int(state) for tick, state in (line.split() for line in lines)}


@pytest.mark.parametrize("part", range(PARTS))
def test_every_row_after_a_kill(tmp_path: Path, part: int) -> None:
    compared = 0
    for n in range(part, KILLS, PARTS):
        base = tmp_path / str(n)
        base.mkdir()
        taken = _kill(base, random.Random(f"{SEED}:{n}"))
        table = SampleTable(open_any(str(base / f"mpi_collector-{os.getuid()}/run/host")))
        found = [t for t in table.ticks if t != STOP_TICK]
        divisor = 2 ** table_level(table)
        due = {tick for tick in taken if tick % divisor == 0}
        assert due <= set(found), n
        in_flight = set(found) - due
        assert len(in_flight) <= 1, (n, in_flight)
        columns = [table.layout.by_key[("vmstat", "")].column("", k.decode()) for k in KEYS]
        latest = max(taken.values(), default=-1) + 1
        for tick, *values in zip(table.ticks, *map(table.column, columns), strict=True):
            assert set(values) == {taken.get(tick, latest)}, (n, tick)
        assert all(set(status) == {OK} for status in table.statuses()), n
        compared += len(found)
    assert compared >= KILLS // PARTS


def table_level(table: SampleTable) -> int:
    """The power of two that divides all ticks of a decimated table, 0 when there are few."""
    from mpi_collector.node.row.placement import level_of

    return level_of(max(table.ticks), table.grid["capacity"])
