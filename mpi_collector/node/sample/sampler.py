"""The sampler: reads all sources at every tick into a stage slot, decodes the slots in batches."""

import os
import threading
from zlib import crc32

from ..compat import SYSTEM_CLOCK, preadv
from ..row.decode import RowDecoder
from ..row.layout import MISSING, STOP_TICK
from ..row.placement import Placement
from ..spool.format import (
    FLAG_STOP,
    FREE,
    PAYLOAD_AT,
    STAMP_FOLD,
    STAMP_SHIFT,
    stage_payload,
    write_seal,
    write_stamp,
)
from .row_writer import RowWriter
from .timer import make_timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..compat import Clock
    from ..read.probe import Probe
    from ..spool.writer import Spool
    from .timer import Timer


#: decoding a batch may take 1/4 of an interval: what is due then must not wait for it
_DECODE_SHARE = 4


class TickGrid:
    """The grid of ticks: tick k is at ``t0_ns + k * interval_ns`` on this node's monotonic clock.

    ``end_ns`` ends it; 0 for a grid without end. ValueError when the interval is not positive.
    """

    __slots__ = ("end_ns", "interval_ns", "t0_ns")

    def __init__(self, t0_ns: int, interval_ns: int, end_ns: int = 0) -> None:
        if interval_ns <= 0:
            raise ValueError("the interval must be positive")
        self.t0_ns = t0_ns
        self.interval_ns = interval_ns
        self.end_ns = end_ns

    def shift(self, by_ns: int) -> None:
        """Move the ticks to come, after a new measurement of this node's clock."""
        self.t0_ns += by_ns
        self.end_ns += by_ns if self.end_ns else 0


def _open_statm() -> int:
    """Return a descriptor of /proc/self/statm, -1 where there is none: its column stays empty."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


class Sampler:
    """Sampler of one node: takes a sample at every tick until the grid ends or ``stop`` is called.

    ``taken``: samples so far, ``missed``: ticks that were not sampled, ``last_tick``: the last that
    was. ``failure``: what ended the sampling thread, if it was an exception. ``capacity``: rows for
    ticks, ``stage_slots``: samples decoded at once, both limited by the spool. ``timer``,
    ``clock``: other than those of this host, for tests.
    """

    def __init__(
        self,
        probe: "Probe",
        spool: "Spool",
        decoder: "RowDecoder | None" = None,
        policy: str = "decimate",
        capacity: "int | None" = None,
        stage_slots: "int | None" = None,
        timer: "Timer | None" = None,
        clock: "Clock" = SYSTEM_CLOCK,
    ) -> None:
        self.probe = probe
        self.spool = spool
        self.decoder = decoder or RowDecoder(probe.sources, probe.layout, spool.event)
        # one row is kept back for the stop
        self.capacity = min(capacity or spool.shape.rows - 1, spool.shape.rows - 1)
        self.placement = Placement(policy, self.capacity)
        self.taken = 0
        self.missed = 0
        self.last_tick: int = STOP_TICK
        self.failure: "Exception | None" = None
        self.grid: "TickGrid | None" = None
        self.first_sample = threading.Event()
        self.timer: "Timer" = timer or make_timer()
        self._clock = clock
        self._quit = False
        self._stopping = threading.Event()
        self._thread: "threading.Thread | None" = None
        self._slot = self._flushed = 0
        shape = spool.shape
        self._rows = RowWriter(spool, self.decoder, self.placement, self.capacity)
        self.pack_header = stage_payload(shape.sources).pack_into
        self.files = [(f.fd, cap, f.whole_below, f) for f, cap in zip(probe.files, shape.caps)]
        for kernel_file in probe.files:
            if kernel_file.fd < 0:
                kernel_file.on_event = spool.event
        self._full = min(stage_slots or shape.stage_slots, shape.stage_slots)
        # the first sample is decoded by itself: shapes are learnt before the job begins
        self._batch = 1
        self._statm = _open_statm()

    # ---- the thread's life
    def start(self, grid: "TickGrid") -> None:
        """Begin, in a thread, at the first tick of ``grid`` not in the past.

        RuntimeError if called twice.
        """
        if self._thread is not None:
            raise RuntimeError("already started")
        self.grid = grid
        self._thread = threading.Thread(target=self._run, args=(grid,), name="sampler")
        self._thread.start()

    @property
    def running(self) -> bool:
        """True while the sampling thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def newest(self) -> "int | None":
        """Return the offset of the stage slot of the newest sample; a later one may replace it."""
        count = self._slot or self._flushed
        return self.spool.shape.stage_offset(count - 1) if count else None

    def flush_soon(self) -> None:
        """Decode what is staged together with the next sample; may be called from any thread."""
        self._batch = 1

    def stop(self) -> int:
        """Take the stop row, decode what is staged, end the thread; return the number of samples.

        A second call changes nothing. RuntimeError when the sampler was never started.
        """
        if self._thread is None:
            raise RuntimeError("not started")
        if not self._stopping.is_set():
            self._stopping.set()
            self._quit = True
            self.timer.wake()
        if self._thread is not threading.current_thread():
            self._thread.join()
        return self.taken

    def close(self) -> None:
        """Close the kernel files and the timer. The spool stays open."""
        self.timer.close()
        self.probe.close()
        if self._statm >= 0:
            os.close(self._statm)

    def sample(self, grid: "TickGrid") -> None:
        """Sample in the calling thread until ``grid`` ends, then decode what is staged."""
        self.grid = grid
        self._loop(grid)
        self._flush()

    def _run(self, grid: "TickGrid") -> None:
        try:
            self.sample(grid)
        except Exception as e:  # noqa: BLE001 - whatever it is, the main thread reports it
            self.failure = e
        finally:
            self.spool.event({"type": "end", "last_tick": self.last_tick, "samples": self.taken})
            self.first_sample.set()

    def _loop(self, grid: "TickGrid") -> None:
        """Sample at the ticks of the grid until it ends or ``stop`` is called; then once more."""
        # One long function whose names are local: what is called or looked up is cold code and cold
        # memory at every tick. Made of methods it took a tenth more CPU time at 1 Hz on a quiet
        # machine and a third more where neighbours use the caches.
        timer = self.timer
        spool = self.spool
        files = self.files
        pace = self.placement.pace
        mm = spool.mm
        view = spool.view
        header = self.pack_header
        stage_at = spool.shape.stage_at
        stage_size = spool.shape.stage_size
        stage_head = spool.shape.stage_head
        payload_at = PAYLOAD_AT
        stamp_shift = STAMP_SHIFT
        stamp_fold = STAMP_FOLD
        seal = write_seal
        arm = timer.arm
        block = timer.block
        early_ns = timer.early_ns
        mono = self._clock.mono_ns
        wall_clock = self._clock.wall_ns
        cpu_clock = self._clock.cpu_ns
        interval = grid.interval_ns
        tick = slot = taken = flags = due = every = steady_until = 0
        stride = 1
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
            ends: "list[int]" = []
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
                    n = kernel_file.failed(e)
                if n > 0:
                    at += n
                ends += n, mono()
            rss = MISSING if slot and not flags else self._rss()
            header(mm, base + payload_at, begin, wall, deadline, flags, cpu_clock(), rss, *ends)
            stamp = tick + stamp_shift
            # last: until its stamp is written the slot is free
            seal(
                mm,
                base,
                stamp,
                crc32(view[base + payload_at : base + stage_head], stamp ^ stamp >> stamp_fold),
            )
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
        """Return the resident memory of this process in bytes."""
        if self._statm < 0:
            return MISSING
        return int(os.pread(self._statm, 128, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _flush(self) -> None:
        """Decode the staged samples into rows and free their slots."""
        count = self._slot
        begin = self._clock.mono_ns()
        bases = [self.spool.shape.stage_offset(slot) for slot in range(count)]
        self._rows.write(bases)
        for base in bases:
            write_stamp(self.spool.mm, base, FREE)
        self._flushed, self._slot = count or self._flushed, 0
        self._batch = self._next_batch(count, self._clock.mono_ns() - begin)

    def _next_batch(self, count: int, took_ns: int) -> int:
        """Return how many samples to decode at once, when ``count`` of them took ``took_ns``."""
        if self.grid is None:
            return self._full
        fit: int = count * self.grid.interval_ns // (_DECODE_SHARE * max(took_ns, 1))
        return max(1, min(self._full, fit))
