"""TODO"""

import os
import struct
import threading
from zlib import crc32

from ..compat import cpu_ns, mono_ns, preadv, wall_ns
from ..row.decode import RowDecoder
from ..row.layout import MISSING, STOP_TICK
from ..row.placement import Placement
from ..spool.format import FLAG_STOP, STAGE_FIELDS, STAMP_SHIFT
from ..spool.stage import staged_row
from ..status import status_of
from .timer import make_timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..read.probe import Probe
    from ..spool.writer import Spool


_SHARE = (
    4  #: decoding a batch may take this part of an interval: what is due then must not wait for it
)


_NUMBER = struct.Struct("<q").pack_into


_STAMPS = struct.Struct("<qq").pack_into


class TickGrid:
    """Tick k is at ``t0_ns + k * interval_ns`` on this node's monotonic clock; ``end_ns`` (0: open) ends it."""

    def __init__(self, t0_ns: int, interval_ns: int, end_ns: int = 0) -> None:
        if interval_ns <= 0:
            raise ValueError("the interval must be positive")
        self.t0_ns, self.interval_ns, self.end_ns = t0_ns, interval_ns, end_ns

    def shift(self, by_ns: int) -> None:
        """Move the rest of the grid: a newer clock measurement says where it really is."""
        self.t0_ns += by_ns
        self.end_ns += by_ns if self.end_ns else 0


class Sampler:
    """Samples until ``stop()``; a second one does nothing. ``start()`` twice, or ``stop()`` before it, is a RuntimeError."""

    def __init__(
        self,
        probe: "Probe",
        spool: "Spool",
        decoder: "Any" = None,
        policy: str = "decimate",
        capacity: "Any" = None,
        stage_slots: "Any" = None,
    ) -> None:
        self.probe, self.spool = probe, spool
        self.decoder = decoder or RowDecoder(probe.sources, probe.layout, spool.event)
        # one row is kept back for the stop
        self.capacity = min(capacity or spool.shape.rows - 1, spool.shape.rows - 1)
        self.placement = Placement(policy, self.capacity)
        self.taken = self.missed = 0
        self.last_tick = STOP_TICK
        self.failure: "Any" = None
        self.grid: "Any" = None
        self.first_sample = threading.Event()
        self._quit = False
        self._stopping = threading.Event()
        self._timer: "Any" = make_timer()
        self._thread: "Any" = None
        self._slot = 0
        self._rows = _RowWriter(self)
        shape = spool.shape
        self._header = struct.Struct("<%dq" % (len(STAGE_FIELDS) - 2 + 2 * shape.sources)).pack_into
        self._files = [(f.fd, cap, f.whole_below, f) for f, cap in zip(probe.files, shape.caps)]
        for kernel_file in probe.files:
            if kernel_file.fd < 0:
                kernel_file.on_event = spool.event
        self._full = min(stage_slots or shape.stage_slots, shape.stage_slots)
        self._batch = 1  # the first by itself: what the texts look like is learnt before the job begins, not within it
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no /proc of our own: the column stays empty
            self._statm = -1

    # ---- the thread's life
    def start(self, grid: "TickGrid") -> None:
        """Begin at the first tick of ``grid`` that is not in the past."""
        if self._thread is not None:
            raise RuntimeError("already started")
        self.grid = grid
        self._thread = threading.Thread(target=self._run, name="sampler")
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def flush_soon(self) -> None:
        """Decode what is staged with the next sample, from whatever thread this is asked."""
        self._batch = 1

    def stop(self) -> int:
        """Take the stop row, decode what is staged, end the thread. Returns the number of samples taken."""
        if self._thread is None:
            raise RuntimeError("not started")
        if not self._stopping.is_set():
            self._stopping.set()
            self._quit = True
            self._timer.wake()
        if self._thread is not threading.current_thread():
            self._thread.join()
        return self.taken

    def close(self) -> None:
        """Release the kernel files and the views of the spool (not the spool itself)."""
        self._timer.close()
        self.probe.close()
        if self._statm >= 0:
            os.close(self._statm)

    def _run(self) -> None:
        try:
            self._loop()
            self._flush()
        except Exception as e:  # noqa: BLE001 - whatever it is, the thread ends and the main thread says so
            self.failure = e
        finally:
            self.spool.event({"type": "end", "last_tick": self.last_tick, "samples": self.taken})
            self.first_sample.set()

    def _loop(self) -> None:
        """Sample at the ticks of the grid until it ends or somebody says stop, and once more then."""
        # One long function whose names are local: what is called or looked up is cold code and cold memory at every tick. Made of
        # methods it took a tenth more CPU time at 1 Hz on a quiet machine and a third more where neighbours use the caches.
        grid, timer, spool, files, pace = (
            self.grid,
            self._timer,
            self.spool,
            self._files,
            self.placement.pace,
        )
        mm, view, shape, header, stamps = spool.mm, spool.view, spool.shape, self._header, _STAMPS
        stage_at, stage_size, stage_head = shape.stage_at, shape.stage_size, shape.stage_head
        arm, block, early_ns, mono, wall_clock, cpu_clock = (
            timer.arm,
            timer.block,
            timer.early_ns,
            mono_ns,
            wall_ns,
            cpu_ns,
        )
        interval = grid.interval_ns
        tick, stride, steady_until = 0, 1, 0
        slot = taken = flags = due = every = 0
        while not flags:
            if tick >= steady_until:
                stride, steady_until = pace(tick)
            tick += -tick % stride
            deadline, period = grid.t0_ns + tick * interval, interval * stride
            over = 0 < grid.end_ns <= deadline
            if over:
                deadline, period = grid.end_ns, 0
            if deadline != due or period != every:
                every = period if arm(deadline, period) else -1
            block()
            due = deadline + period
            wall = wall_clock()
            begin = mono()
            if begin < deadline - early_ns and not self._quit:
                due = 0  # the clock was slewed: wait again
                continue
            if over or self._quit:
                tick, deadline, flags = STOP_TICK, begin, FLAG_STOP
            elif begin - deadline >= interval:  # a tick is missed once the next one is due
                late = (begin - deadline) // interval
                self.missed += late // stride
                tick += late
                deadline = grid.t0_ns + tick * interval
                if tick % stride or 0 < grid.end_ns <= deadline:
                    continue
            base = stage_at + slot * stage_size
            at, limit = base + stage_head, base + stage_size
            ends: list = []
            for fd, cap, whole_below, kernel_file in files:
                to = at + cap
                if to > limit:
                    to = limit
                try:
                    if fd >= 0:
                        n = preadv(fd, [view[at:to]], 0)
                        if n >= whole_below:
                            n = kernel_file.rest(view[at:to], n)
                    else:
                        n = kernel_file.read_into(view[at:to], tick)
                except OSError as e:
                    n = -status_of(e)
                if n > 0:
                    at += n
                ends += n, mono()
            rss = MISSING if slot and not flags else self._rss()
            header(mm, base + 16, begin, wall, deadline, flags, cpu_clock(), rss, *ends)
            stamp = tick + STAMP_SHIFT
            # last, and only now: the stamp of a free slot is 0, and the checksum is of this stamp
            stamps(mm, base, stamp, crc32(view[base + 16 : base + stage_head], stamp & 0xFFFFFFFF))
            taken += 1
            slot += 1
            self.taken, self._slot = taken, slot
            if slot >= self._batch:
                self._flush()
                slot = 0
            if not flags:
                self.last_tick = tick
                if taken == 1:
                    self.first_sample.set()
            tick += 1

    # ---- what is not done at every tick
    def _rss(self) -> int:
        if self._statm < 0:
            return MISSING
        return int(os.pread(self._statm, 128, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _flush(self) -> None:
        """Turn the staged samples into rows."""
        mm, shape, count = self.spool.mm, self.spool.shape, self._slot
        begin = mono_ns()
        bases = [shape.stage_at + i * shape.stage_size for i in range(count)]
        self._rows.write(bases)
        for base in bases:
            _NUMBER(mm, base, 0)
        self._slot = 0
        self._batch = self._next_batch(count, mono_ns() - begin)

    def _next_batch(self, count: int, took_ns: int) -> int:
        """How many samples to decode at once, after ``count`` of them took so long: fewer at a high rate."""
        if self.grid is None:  # somebody else keeps the time
            return self._full
        fit: int = count * self.grid.interval_ns // (_SHARE * max(took_ns, 1))
        return max(1, min(self._full, fit))


class _RowWriter:
    """Decodes stage slots into rows of the spool."""

    def __init__(self, sampler: "Sampler") -> None:
        self.spool, self.decoder, self.placement = sampler.spool, sampler.decoder, sampler.placement
        self._stop_slot = sampler.capacity

    def write(self, bases: list) -> None:
        shape = self.spool.shape
        wanted = []
        for base in bases:
            tick = struct.unpack_from("<q", self.spool.mm, base)[0] - STAMP_SHIFT
            slot = self._stop_slot if tick == STOP_TICK else self.placement.place(tick)
            if slot >= 0:
                wanted.append((tick, slot, base))
        decode_stage = getattr(self.decoder, "decode_stage", None) or self._one_by_one
        for (tick, slot, _base), payload in zip(
            wanted, decode_stage(self.spool.view, shape, wanted)
        ):
            self.spool.write_row(slot, tick, payload)

    def _one_by_one(self, view: memoryview, shape: "Any", wanted: list) -> "Any":
        for tick, _slot, base in wanted:
            yield staged_row(view, base, shape, self.decoder, tick)


def run_meta(probe: "Probe", **facts: "Any") -> dict:
    """The meta data of a spool: ``facts`` of the run and the host beside the layout."""
    doc = dict(facts)
    doc.update(probe.meta())
    return doc
