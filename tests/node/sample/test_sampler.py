"""The sampler: start and stop, grid, missed ticks, decimation, failing sources, kill -9."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from by_hand import ByHand
from nodekit import (
    FIXTURES,
    HOUR,
    MS,
    FakeTime,
    Run,
    file_spool,
    make_root,
    memory_spool,
    present,
    read_rows,
    resident_bytes,
    script,
    text_of,
)

from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import MISSING, STOP_TICK, Layout
from mpi_collector.node.row.placement import level_of
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.spool.format import FLAG_STOP
from mpi_collector.node.spool.reader import SpoolReader, open_reader
from mpi_collector.node.spool.stage import staged_row
from mpi_collector.node.spool.writer import Spool
from mpi_collector.node.status import ERROR, OK, STATUS_NAMES, TRUNCATED
from mpi_collector.node.table.table import SampleTable, name_slots

SMALL = str(FIXTURES / "linux-4.18")


def finish(sampler: Sampler, seconds: float = 60.0) -> None:
    """Wait for the end of the grid, then stop; fail rather than hang."""
    deadline = time.monotonic() + seconds
    while sampler.running:
        assert time.monotonic() < deadline, "the grid does not end"
        time.sleep(0.002)
    sampler.stop()
    assert sampler.failure is None


def soon(interval_ns: int, ticks: int = 0) -> TickGrid:
    """A grid that begins in a moment."""
    t0 = time.monotonic_ns() + 5 * MS
    return TickGrid(t0, interval_ns, t0 + ticks * interval_ns if ticks else 0)


# ---- start and stop


def test_start_twice() -> None:
    """A sampler is started once, also when it has been stopped."""
    with Run("loadavg") as run:
        run.sampler.start(TickGrid(1 << 62, HOUR))
        with pytest.raises(RuntimeError):
            run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        with pytest.raises(RuntimeError):
            run.sampler.start(TickGrid(1 << 62, HOUR))


def test_stop_unstarted() -> None:
    """Stopping what never ran is a mistake of the caller."""
    with Run("loadavg") as run, pytest.raises(RuntimeError):
        run.sampler.stop()


def test_stop_twice_is_the_same() -> None:
    """The second stop() takes no further sample and returns the same.

    So do stops from several threads.
    """
    with Run("loadavg") as run:
        run.sampler.start(soon(5 * MS))
        assert run.sampler.first_sample.wait(30)
        taken = run.sampler.stop()
        before = bytes(run.spool.mm)
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(run.sampler.stop())) for _ in range(4)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        assert answers == [taken] * 4 and bytes(run.spool.mm) == before and not run.sampler.running


def test_stop_before_the_first_tick() -> None:
    """A sampler stopped before its first tick has the stop row, and its flag, all the same.

    The other rows are absent.
    """
    with Run(root=SMALL) as run:
        run.sampler.start(TickGrid(1 << 62, HOUR))
        assert run.sampler.stop() == 1
        ((tick, (cells, statuses, head)),) = run.rows().items()
        assert tick == STOP_TICK and head["flags"] == FLAG_STOP and set(statuses) == {OK}
        assert cells["diskstats.sda.sectors_read"] == 856916
        assert run.sampler.last_tick == STOP_TICK
        assert run.spool.reader().events() == [
            {"type": "end", "last_tick": STOP_TICK, "samples": 1}
        ]


def test_run_shorter_than_an_interval() -> None:
    """Tick 0 and the stop row: a first and a last row even of the shortest run."""
    with Run("loadavg") as run:
        run.sampler.start(soon(HOUR))
        assert run.sampler.first_sample.wait(30)
        assert run.sampler.stop() == 2
        rows = run.rows()
        assert list(rows) == [0, STOP_TICK]
        assert rows[STOP_TICK][2]["begin_mono_ns"] > rows[0][2]["begin_mono_ns"]


def test_thread_is_no_daemon() -> None:
    """The interpreter waits for the thread, so that the stop row is written."""
    with Run("loadavg") as run:
        run.sampler.start(TickGrid(1 << 62, HOUR))
        assert not next(t for t in threading.enumerate() if t.name == "sampler").daemon
        run.sampler.stop()


@pytest.mark.parametrize("interval", [0, -1])
def test_grid_refuses(interval: int) -> None:
    """An interval must be positive."""
    with pytest.raises(ValueError, match="positive"):
        TickGrid(0, interval)


def test_descriptors_are_given_back() -> None:
    """close() closes the kernel files and the timer."""
    before = len(os.listdir("/proc/self/fd"))
    with Run() as run:
        run.sampler.start(TickGrid(1 << 62, HOUR))
    assert len(os.listdir("/proc/self/fd")) == before


# ---- the grid


def test_real_grid() -> None:
    """On this machine: all ticks lie before the end and none is sampled twice.

    Each is at its place on the grid, and its times are consistent.
    """
    with Run("basic,stat", rows=300) as run:
        grid = soon(5 * MS, ticks=100)
        run.sampler.start(grid)
        finish(run.sampler)
        rows = run.rows()
    ticks = [t for t in rows if t != STOP_TICK]
    assert ticks == sorted(set(ticks)) and set(ticks) <= set(range(100)) and len(ticks) > 5
    assert list(rows)[-1] == STOP_TICK and run.sampler.taken == len(rows)
    for tick, (cells, statuses, head) in rows.items():
        assert set(statuses) == {OK} and head["duration_ns"] >= 0
        assert cells["stat.ctxt"] > 0 and cells["collector.cpu_ns"] > 0
        assert abs(head["begin_wall_ns"] - time.time_ns()) < HOUR
        if tick != STOP_TICK:
            assert (
                head["begin_mono_ns"] - (grid.t0_ns + tick * grid.interval_ns)
                == head["late_ns"]
                >= -100_000
            )
    for name in ("stat.ctxt", "collector.cpu_ns", "vmstat.pgfault"):
        values = [cells[name] for cells, _s, _h in rows.values()]
        # the kernel adds per-CPU counters up without a lock: a sum may be a few below the last one
        assert values[0] <= values[-1] + 64 and (
            name != "collector.cpu_ns" or values == sorted(values)
        )


@pytest.mark.parametrize("ticks", [1, 2, 31, 32, 33, 40])
def test_exact_end(ticks: int) -> None:
    """A grid of n ticks gives the ticks 0 .. n - 1, a stop row at the end, and nothing else."""
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        grid = clock.grid(10 * MS, ticks)
        run.sampler.start(grid)
        finish(run.sampler)
        rows = run.rows()
    assert list(rows) == [*range(ticks), STOP_TICK]
    assert [h["begin_mono_ns"] - grid.t0_ns for _c, _s, h in rows.values()] == [
        10 * MS * k for k in range(ticks + 1)
    ]
    assert run.sampler.last_tick == ticks - 1


def test_missed_ticks_are_absent() -> None:
    """A sample that comes too late for its tick counts for the tick that is due.

    Those between are absent.
    """
    late = {3: 0.9, 5: 1.0, 9: 3.5}  # in intervals, by tick
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        grid = clock.grid(10 * MS, 20)
        clock.late = lambda deadline: int(
            late.get((deadline - grid.t0_ns) // (10 * MS), 0) * 10 * MS
        )
        run.sampler.start(grid)
        finish(run.sampler)
        rows = run.rows()
    ticks = [t for t in rows if t != STOP_TICK]
    assert ticks == [t for t in range(20) if t not in (5, 9, 10, 11)]
    lates = {t: h["late_ns"] / (10 * MS) for t, (_c, _s, h) in rows.items() if h["late_ns"]}
    assert lates == {3: 0.9, 12: 0.5}


def test_awake_too_early() -> None:
    """A clock that was slewed: who wakes before a deadline, or before the end, waits again.

    Every tick is sampled once, on time.
    """
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        grid = clock.grid(10 * MS, 6)
        early = {grid.t0_ns + k * 10 * MS for k in (1, 2, 5, 6)}

        def late(deadline: int) -> int:
            if deadline not in early:
                return 0
            early.remove(deadline)
            return -MS

        clock.late = late
        run.sampler.start(grid)
        finish(run.sampler)
        rows = run.rows()
    assert list(rows) == [0, 1, 2, 3, 4, 5, STOP_TICK] and not early
    assert {h["late_ns"] for _c, _s, h in rows.values()} == {0} and run.sampler.missed == 0
    assert rows[STOP_TICK][2]["begin_mono_ns"] == grid.t0_ns + 60 * MS


@pytest.mark.parametrize("when", [2, 4])
def test_asleep_over_the_end(when: int) -> None:
    """Who sleeps over the end of the grid takes the stop row and no tick behind the end."""
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        grid = clock.grid(10 * MS, 5)
        clock.late = lambda deadline: 100 * MS if deadline == grid.t0_ns + when * 10 * MS else 0
        run.sampler.start(grid)
        finish(run.sampler)
        assert list(run.rows()) == [*range(when), STOP_TICK]


def test_start_behind_the_grid() -> None:
    """A grid that has begun already is joined at the tick that is due; none is made up for."""
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        run.sampler.start(TickGrid(clock.now - 34 * MS, 10 * MS, clock.now + 26 * MS))
        finish(run.sampler)
        rows = run.rows()
    assert list(rows)[-3:] == [4, 5, STOP_TICK] and set(rows) <= {3, 4, 5, STOP_TICK}


def test_grid_shift() -> None:
    """A newer clock measurement moves the ticks that follow, and the end with them."""
    clock = FakeTime()
    with Run("loadavg", SMALL, time=clock) as run:
        grid = clock.grid(10 * MS, 10)
        t0 = grid.t0_ns

        def late(deadline: int) -> int:
            if deadline == t0 + 40 * MS:
                grid.shift(3 * MS)
            return 0

        clock.late = late
        run.sampler.start(grid)
        finish(run.sampler)
        rows = run.rows()
    assert list(rows) == [*range(10), STOP_TICK]
    begins = [h["begin_mono_ns"] - t0 for _c, _s, h in rows.values()]
    assert begins == [10 * MS * k + (3 * MS if k > 4 else 0) for k in range(11)]


FROZEN = """
import sys, json, time
from nodekit import MS, Run
from mpi_collector.node.sample.sampler import TickGrid
with Run("loadavg", rows=4000) as run:
    grid = TickGrid(time.monotonic_ns(), 20 * MS)
    run.sampler.start(grid)
    run.sampler.first_sample.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    run.sampler.stop()
    assert run.sampler.failure is None
    rows = [[t, h["begin_mono_ns"], h["late_ns"]] for t, (c, s, h) in run.rows().items()]
    print(json.dumps([grid.t0_ns, rows]))
"""


def test_stopped_process() -> None:
    """A process that is stopped for a while misses ticks and is back on the grid after them."""
    with script(FROZEN) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        out, _ = process.communicate("\n", timeout=60)
    t0, rows = json.loads(out)
    ticks = [t for t, _begin, _late in rows[:-1]]
    assert ticks == sorted(set(ticks)) and rows[-1][0] == STOP_TICK
    assert max(b - a for a, b in pairwise(ticks)) >= 10
    for tick, begin, late in rows[:-1]:
        assert begin - (t0 + tick * 20 * MS) == late >= -100_000


# ---- more ticks than rows


@pytest.mark.parametrize("policy", ["decimate", "ring", "stop"])
def test_policies(policy: str) -> None:
    """100 ticks into 16 rows: every 8th, the newest, the oldest.

    The stop row has a place of its own.
    """
    clock = FakeTime()
    with Run("loadavg", SMALL, rows=17, policy=policy, time=clock) as run:
        run.spool.event({"type": "grid", "policy": policy, "capacity": run.sampler.capacity})
        run.sampler.start(clock.grid(10 * MS, 100))
        finish(run.sampler)
        rows = run.rows()
    expected = {"decimate": range(0, 100, 8), "ring": range(84, 100), "stop": range(16)}[policy]
    assert list(rows) == [*expected, STOP_TICK]


def test_a_hundred_thousand_ticks_in_a_thousand_rows() -> None:
    """The whole run is in the array, first and last row there, memory flat.

    Two hosts that miss other ticks line up.
    """
    kept, seen = [], []
    for seed in (1, 2):
        chance = random.Random(seed)
        clock = FakeTime()
        with Run("basic", SMALL, rows=1001, time=clock) as run:
            grid = clock.grid(10 * MS, 100_000)
            memory: list[tuple[int, int]] = []

            def late(
                deadline: int,
                grid: TickGrid = grid,
                memory: list[tuple[int, int]] = memory,
                chance: random.Random = chance,
            ) -> int:
                tick = (deadline - grid.t0_ns) // grid.interval_ns
                if tick % 1024 == 0:
                    memory.append((tick, resident_bytes()))
                return 15 * MS if chance.random() < 0.02 and tick else 0

            clock.late = late
            run.spool.event({"type": "grid", "policy": "decimate", "capacity": 1000})
            run.sampler.start(grid)
            finish(run.sampler)
            rows = run.rows()
            early = [size for tick, size in memory if tick < 10_000]
            assert max(size for _tick, size in memory) - max(early) < 2 << 20
        level = level_of(99_999, 1000)
        assert level == 7 and all(t % 128 == 0 for t in rows if t != STOP_TICK)
        assert next(iter(rows)) == 0 and list(rows)[-1] == STOP_TICK and len(rows) <= 1001
        begins = [h["begin_mono_ns"] for _c, _s, h in rows.values()]
        assert begins == sorted(begins) and begins[-1] == grid.end_ns
        kept.append(set(rows))
        seen.append(run.sampler.taken)
    assert (
        len(kept[0] & kept[1]) > 700 and len(kept[0] ^ kept[1]) < 60
    )  # what differs was missed, at 2 %
    assert all(4000 < taken < 6000 for taken in seen)  # ticks that no level keeps are not even read


def test_real_decimation() -> None:
    """The same on the real clock, small: all that was sampled at the last level is there."""
    with Run("loadavg", rows=17) as run:
        run.spool.event({"type": "grid", "policy": "decimate", "capacity": 16})
        run.sampler.start(soon(2 * MS, ticks=200))
        finish(run.sampler)
        rows = run.rows()
        level = level_of(run.sampler.last_tick, 16)
    ticks = [t for t in rows if t != STOP_TICK]
    assert all(t % 2**level == 0 for t in ticks) and 2 <= len(ticks) <= 16
    assert list(rows)[-1] == STOP_TICK


# ---- sources that break


def test_source_breaks_in_the_middle() -> None:
    """A file that can no longer be read has a status from then on.

    The other sources go on as before.
    """
    bad = os.open("/dev/null", os.O_WRONLY)
    try:
        with Run("diskstats,meminfo,loadavg", rows=3000) as run:
            run.sampler.start(soon(2 * MS))
            assert run.sampler.first_sample.wait(30)
            time.sleep(0.05)
            os.dup2(bad, run.probe.files[1].fd)
            time.sleep(0.1)
            run.sampler.stop()
            assert run.sampler.failure is None
            rows = list(run.rows().values())
    finally:
        os.close(bad)
    assert run.probe.layout.sources[1] == "meminfo"
    states = [statuses[1] for _c, statuses, _h in rows]
    assert states == sorted(states) and {states[0], states[-1]} == {OK, ERROR}
    for cells, statuses, _head in rows:
        assert (statuses[0], statuses[2]) == (OK, OK) and cells["loadavg.last_pid"] > 0
        memory = {v for n, v in cells.items() if n.startswith("meminfo.")}
        assert memory == {MISSING} if statuses[1] == ERROR else MISSING not in memory


def test_file_outgrows_its_buffer(tmp_path: Path) -> None:
    """A text longer than there is room for is truncated at a whole line and says so."""
    root = make_root(tmp_path, {"vmstat": b"a 1\nb 2\n", "loadavg": b"0.01 0.02 0.03 1/2 3\n"})
    with Run("vmstat,loadavg", root) as run:
        room = run.spool.shape.caps[0]
        more = b"".join(b"k%06d %d\n" % (n, n) for n in range(room // 8))
        (tmp_path / "proc/vmstat").write_bytes(b"a 11\nb 22\n" + more)
        run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        ((cells, statuses, _head),) = run.rows().values()
    assert [STATUS_NAMES[s] for s in statuses] == ["truncated", "ok"] and statuses[0] == TRUNCATED
    assert (cells["vmstat.a"], cells["vmstat.b"], cells["loadavg.load_1min"]) == (11, 22, 1)


def test_files_outgrow_their_common_room(tmp_path: Path) -> None:
    """A page to grow is there for two files, not for every one.

    When three do, the last is cut, and what is behind it has none.
    """
    first = {
        "vmstat": b"a 1\n",
        "meminfo": b"M: 1 kB\n",
        "stat": b"cpu 1 2 3 4\n",
        "loadavg": b"0.01 0.02 0.03 1/2 3\n",
    }
    root = make_root(tmp_path, first)
    with Run(",".join(first), root) as run:
        shape = run.spool.shape
        assert shape.text_room < sum(shape.caps)
        order = run.probe.layout.sources
        for name in order[:3]:  # every one but a little less than its own limit
            path = tmp_path / "proc" / name
            path.write_bytes(first[name] + b"x 1\n" * ((4096 - 200) // 4))
        run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        ((_cells, statuses, _head),) = run.rows().values()
    assert [STATUS_NAMES[s] for s in statuses[2:]] == ["truncated", "truncated"]
    assert TRUNCATED not in statuses[:2]


def test_file_grows_within_its_buffer(tmp_path: Path) -> None:
    """A text may become half as long again and one page more, without loss."""
    first = text_of("linux-4.18", "diskstats")
    root = make_root(tmp_path, {"diskstats": first})
    with Run("diskstats", root) as run:
        grown = first + b"".join(
            b" 259 %d nvme%dn1 " % (n, n) + b" ".join([b"7"] * 15) + b"\n" for n in range(8)
        )
        (tmp_path / "proc/diskstats").write_bytes(grown)
        run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        ((cells, statuses, _head),) = run.rows().values()
        assert statuses == [OK] and cells["diskstats.nvme7n1.sectors_written"] == 7
        devices = [e for e in run.spool.reader().events() if e["type"] == "device"]
        assert [(e["device"], e["tick"]) for e in devices] == [
            (f"nvme{n}n1", STOP_TICK) for n in range(8)
        ]


def test_large_text_in_small_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that comes page by page, as seq_file does, is read to its end."""
    text = text_of("big-256cpu", "diskstats")
    root = make_root(tmp_path, {"diskstats": text, "loadavg": b"0.01 0.02 0.03 1/2 3\n"})

    def page(fd: int, buffers: list[memoryview], offset: int) -> int:
        upto = min(len(buffers[0]), 4096 - 300)
        return os.preadv(fd, [buffers[0][:upto]], offset)

    with Run("diskstats,loadavg", root) as run:
        monkeypatch.setattr("mpi_collector.node.sample.sampler.preadv", page)
        monkeypatch.setattr("mpi_collector.node.read.kernel_file.preadv", page)
        run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        ((cells, statuses, _head),) = run.rows().values()
    assert statuses == [OK, OK] and cells["diskstats.md0.sectors_read"] > 0


def test_failure_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error ends the thread and is kept for the main thread.

    It wakes those who wait for the first sample.
    """
    clock = FakeTime(late=lambda _deadline: 1 // 0)
    with Run("loadavg", SMALL, time=clock) as run:
        run.sampler.start(clock.grid(5 * MS, 1))
        assert run.sampler.first_sample.wait(30)
        run.sampler.stop()
        assert isinstance(run.sampler.failure, ZeroDivisionError)
        assert run.spool.reader().events()[-1]["type"] == "end"


def test_spool_in_a_file(tmp_path: Path) -> None:
    """The same rows from a spool on a file system, opened after its writer closed it."""
    probe = Probe(sources.select("basic"), SMALL)
    spool = file_spool(tmp_path, probe)
    sampler = Sampler(probe, spool)
    sampler.start(soon(2 * MS, ticks=3))
    finish(sampler)
    sampler.close()
    spool.close()
    rows = read_rows(open_reader(str(spool.path)))
    assert list(rows)[-1] == STOP_TICK
    assert {cells["meminfo.MemTotal"] for cells, _s, _h in rows.values()} == {8164548}


def test_nothing_to_sample(tmp_path: Path) -> None:
    """Without a single readable source there are rows all the same: the collector's own columns."""
    probe = Probe(sources.select("basic"), str(tmp_path))
    assert len(probe.absent) == 5
    with Run("basic", str(tmp_path), spool=memory_spool(probe)) as run:
        run.sampler.start(TickGrid(1 << 62, HOUR))
        run.sampler.stop()
        ((cells, statuses, _head),) = run.rows().values()
    assert statuses == [] and set(present(cells)) == {"collector.cpu_ns", "collector.rss_bytes"}


# ---- kill -9

KILLED = """
import os, sys, time
from pathlib import Path
from nodekit import MS, file_spool
from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.sample.timer import make_timer

base, rows, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = os.open(str(base / "log"), os.O_WRONLY | os.O_CREAT)

probe = Probe(sources.select("basic"))
spool = file_spool(base, probe, rows)
timer = make_timer()
sampler = Sampler(probe, spool, stage_slots=batch, timer=timer)
block = timer.block

def logged():
    if sampler.taken:
        os.write(log, b"%d\\n" % sampler.last_tick)  # only now the sample counts as taken
    block()

timer.block = logged
t0 = time.monotonic_ns()
grid = {"type": "grid", "t0_ns": t0, "interval_ns": MS, "policy": "decimate"}
spool.event(dict(grid, capacity=sampler.capacity))
sampler.start(TickGrid(t0, MS))
sampler.first_sample.wait()
print(spool.path, flush=True)
time.sleep(600)
"""


def recovered(reader: SpoolReader) -> dict[int, bytes]:
    """{tick: row} of a dead writer's spool: the rows, and what was staged but never became one."""
    rows: dict[int, bytes] = {}
    for tick, at in reader.rows():
        assert tick not in rows, "two rows of one tick"
        rows[tick] = bytes(reader.shape.row_payload(reader.data, at))
    layout = Layout.from_dict(reader.meta["layout"])
    events = reader.events()
    name_slots(layout, events)
    decoder = RowDecoder([sources.BY_NAME[s]() for s in layout.sources], layout, events.append)
    staged = [tick for tick, _at in reader.staged()]
    assert len(staged) == len(set(staged)), "two staged samples of one tick"
    for tick, at in reader.staged():
        row = staged_row(reader.data, at, reader.shape, decoder, tick)
        assert len(row) == 8 * reader.shape.row_words
        assert rows.setdefault(tick, row) == row, "row and stage differ"
    return rows


def killed(tmp_path: Path, rows: int, batch: int, after_s: float) -> tuple[SpoolReader, list[int]]:
    """Kill a sampling process; its spool and the ticks that it had taken."""
    with script(KILLED, tmp_path, rows, batch) as process:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        time.sleep(after_s)
        process.kill()
    lines = (tmp_path / "log").read_text().split("\n")
    return open_reader(path), [int(line) for line in lines[:-1]]


@pytest.mark.parametrize(
    ("batch", "after_s"), [(32, 1.0), (32, 0.35), (32, 0.21), (7, 0.4), (1, 0.3)]
)
def test_killed_in_a_fast_run(tmp_path: Path, batch: int, after_s: float) -> None:
    """kill -9 at 1 kHz: every sample taken is there once, and at most the one in flight."""
    reader, taken = killed(tmp_path, 4000, batch, after_s)
    rows = recovered(reader)
    assert len(taken) == len(set(taken)) > 3
    assert set(taken) <= set(rows) and len(set(rows) - set(taken)) <= 1
    begins = [struct.unpack_from("<q", rows[t])[0] for t in sorted(rows)]
    assert begins == sorted(set(begins))
    table = SampleTable(reader)  # the reader that the program itself uses finds the same
    assert table.ticks == sorted(rows)
    assert all(set(s) == {OK} for s in table.statuses())
    assert set(table.column(table.layout.by_key[("meminfo", "")].column("", "MemTotal"))) == {
        mem_total()
    }
    assert not any(e["type"] == "end" for e in reader.events())


def test_killed_in_a_decimated_run(tmp_path: Path) -> None:
    """The same when rows are used again: all ticks of the last level are there."""
    reader, taken = killed(tmp_path, 65, 32, 0.8)
    rows = recovered(reader)
    divisor = 2 ** level_of(max(rows), 64)
    due = {t for t in taken if t % divisor == 0}
    assert (
        divisor > 1 and due <= set(rows) and len({t for t in rows if t % divisor == 0} - due) <= 1
    )
    assert set(SampleTable(reader).ticks) == {t for t in rows if t % divisor == 0}


def mem_total() -> int:
    """MemTotal of this machine in kB."""
    with open("/proc/meminfo") as f:
        return int(f.readline().split()[1])


# ---- memory


def test_memory_is_flat() -> None:
    """Resident memory does not grow from the first thousand samples to the sixth."""
    sizes: list[int] = []
    by_hand = ByHand()
    with Run("basic", rows=100, policy="ring", timer=by_hand) as run:
        by_hand.each = lambda: run.sampler.taken % 500 == 499 and sizes.append(resident_bytes())
        by_hand.run(run.sampler, 6000)
        assert sizes[-1] - sizes[1] < 1 << 20, sizes
        assert len(run.rows()) == 100  # and the stop's


def test_spool_is_the_only_growth() -> None:
    """A sampler allocates nothing per sample that stays.

    Its stage slots and rows are in the spool already.
    """
    probe = Probe(sources.select("loadavg"), SMALL)
    spool = Spool.create(
        None, "m", {"layout": probe.layout.to_dict(), "raw_bytes": probe.caps}, probe.caps, 4, 20
    )
    with Run("loadavg", SMALL, spool=spool, policy="ring") as run:
        assert len(spool.mm) == spool.shape.size
        run.sampler.start(soon(MS, ticks=60))
        finish(run.sampler)
        assert len(run.rows()) <= 20
    probe.close()
