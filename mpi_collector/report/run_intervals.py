"""The common grid of all hosts of a run."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.store.clip import Stretch
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.host import Float64, Int64
from mpi_collector.store.recording import Recording

STOP_SLOT = 2**62  #: stands for the tick of the stop row, behind all others


class RunIntervals:
    """The slots of a run: one per interval between ticks that any host kept, one up to the stop.

    ``begin_tick``: (slots,) the tick at which each begins. ``end_tick``: at which it ends, a number
    above all ticks for the stop. ``begin_ns``, ``end_ns``: (slots,) UTC ns, clipped to the window
    where the recording is one.
    """

    def __init__(self, recording: Recording) -> None:
        run = recording.run
        seen: set[int] = set()
        stops = []
        for key in recording:
            host = recording.fresh(key)
            clip = host.clip
            tick = host.whole.tick
            used = np.union1d(tick[clip.intervals], tick[clip.intervals + 1])
            seen.update(used[used != STOP_TICK].tolist())
            if (used == STOP_TICK).any():
                stops.append(int(host.whole.timestamp_ns[-1]))
        ticks: Int64 = np.array(sorted(seen), dtype=np.int64)
        times = run["start_ns"] + ticks * run["interval_ns"]
        if stops and len(times):
            ticks = np.append(ticks, STOP_SLOT)
            times = np.append(times, max(int(np.median(stops)), int(times[-1])))
        self.begin_tick: Int64 = ticks[:-1]
        self.end_tick: Int64 = ticks[1:]
        self.begin_ns: Int64 = times[:-1]
        self.end_ns: Int64 = times[1:]
        if recording.stretches is not None:
            self._clip(recording.stretches)

    @property
    def slots(self) -> int:
        return len(self.end_ns)

    def within(self, stretches: Sequence[Stretch]) -> RunIntervals:
        """Return the slots of a part of the run; stretches are in order and apart."""
        part = copy.copy(self)
        part._clip(stretches)
        return part

    def _clip(self, stretches: Sequence[Stretch]) -> None:
        """Keep what lies in ``stretches``, which are in order and apart from each other."""
        begins = np.array([b for b, _ in stretches], dtype=np.int64)
        ends = np.array([e for _, e in stretches], dtype=np.int64)
        first = np.searchsorted(ends, self.begin_ns, side="right")
        last = np.searchsorted(begins, self.end_ns, side="left") - 1
        kept = first <= last
        first, last = first[kept], last[kept]
        self.begin_ns = np.maximum(self.begin_ns[kept], begins[first])
        self.end_ns = np.minimum(self.end_ns[kept], ends[last])
        self.begin_tick = self.begin_tick[kept]
        self.end_tick = self.end_tick[kept]

    def to_slots(self, host: Derived, values: Float64) -> Float64:
        """Return (slots,) of a host's (intervals,), NaN where it has no interval.

        An interval that spans missed ticks fills all of its slots.
        """
        out = np.full(self.slots, np.nan)
        if not len(values) or not self.slots:
            return out
        ends = np.where(host.tick == STOP_TICK, STOP_SLOT, host.tick)
        at = np.searchsorted(ends, self.end_tick)
        inside = at < len(ends)
        inside[inside] = host.begin_tick[at[inside]] <= self.begin_tick[inside]
        out[inside] = values[at[inside]]
        return out
