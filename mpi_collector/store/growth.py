"""Growth of counters from row to row: differences of integers, resets, wraps, jumps, rows not due.

Everything that turns counters into rates goes through here: ``Host.delta`` and ``Host.rate``, the
figures, windows and exports.

* Values are subtracted as integers modulo 2^64; only the difference becomes a float.
* A counter that falls was reset, or it wrapped. A wrap is repaired where its width is known.
* A device whose counters were reset is unknown in that interval altogether: a counter that has
  passed its old value again since then would look like growth. The same holds for a device of
  which a counter grew more than is possible (``limits``).
* Where a source was not due at some rows (it is paced or throttled), the growth between the rows
  at which it was read is spread over them in proportion to their time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import ABSENT, OK, SKIPPED
from mpi_collector.store.device_counters import (
    MAY_FALL,
    DeviceCounters,
    both_known,
    signed_growth,
    split,
)
from mpi_collector.store.limits import Limits, impossible_cpu_time, settled

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

RESET = "the counters were reset"
FELL = "the counter fell"
JUMP = "a counter grew more than is possible"
STUCK = "a 32-bit counter has stopped at its greatest value"

#: field that has the range of the energy counter of the same device (powercap/powercap.rst)
_ENERGY_RANGE = "max_energy_range_uj"
#: counters of old InfiniBand adapters have 32 bits and stay at the greatest value; the data
#: counters count words of four bytes
_GREATEST = {
    "port_xmit_data": 4 * (2**32 - 1),
    "port_rcv_data": 4 * (2**32 - 1),
    "port_xmit_packets": 2**32 - 1,
    "port_rcv_packets": 2**32 - 1,
}
_OWN_FIGURE = ("iowait", "steal")  #: those of them whose growth is a figure
_ANY_CPUS = 65536  #: where the CPUs are not listed


class Rows(Protocol):
    """What growth is computed from; ``store.host.Host`` has it."""

    @property
    def meta(self) -> Mapping[str, Any]: ...

    @property
    def columns(self) -> list[str]: ...

    @property
    def timestamp_ns(self) -> Int64: ...

    @property
    def statuses(self) -> Mapping[str, Int64]: ...

    def kind(self, name: str) -> str: ...

    def unit(self, name: str) -> str: ...

    def raw(self, name: str) -> Int64: ...


@dataclass
class Unknown:
    """Intervals that are unknown for one reason. ``rows``: bool (rows - 1,).

    ``what``: the device, or the field where it belongs to no device.
    """

    source: str
    what: str
    reason: str
    rows: Bool


class CounterGrowth:
    """The growth of the counters of a host, computed when it is asked for.

    ``unknown``: what was found on the way, one entry per device and reason.
    """

    def __init__(self, rows: Rows) -> None:
        self.unknown: dict[tuple[str, str, str], Unknown] = {}
        self._rows = rows
        self._limits = Limits(rows.meta)
        self._n = max(len(rows.timestamp_ns) - 1, 0)
        self._seconds: Float64 = np.diff(rows.timestamp_ns) * 1e-9
        statuses = rows.statuses
        self._due = {
            source: np.flatnonzero(status != SKIPPED)
            for source, status in statuses.items()
            if (status == SKIPPED).any()
        }
        late = rows.meta.get("absent")
        self._was_read = {
            source: (status == OK) | (_yet_to_come(status) if source in (late or ()) else False)
            for source, status in statuses.items()
        }
        self._of_device: dict[tuple[str, str], list[str]] = {}
        for column in rows.columns:
            source, device, _ = split(column)
            self._of_device.setdefault((source, device), []).append(column)
        self._found: dict[str, Float64] = {}
        self._ruled_out: dict[str, Bool] = {}
        self._online: Float64 | None = None

    def of(self, column: str) -> Float64:
        """Return the growth of a counter in each interval, (rows - 1,); NaN where unknown."""
        if column not in self._found:
            source, device, _ = split(column)
            together = [column]
            if device and self._rows.kind(column) == "counter":
                every = self._of_device[source, device]
                together = [c for c in every if self._rows.kind(c) == "counter"]
            self._examine(source, device, together)
        return self._found[column]

    def change(self, column: str) -> Float64:
        """Return the change of a counter that may decrease, (rows - 1,); NaN where unknown."""
        self.of(column)
        source = split(column)[0]
        change = self._spread(source, signed_growth(self._at_due_rows(source, column)))
        change[self._ruled_out[column]] = np.nan
        return change

    def absent(self, column: str) -> Bool:
        """Return the intervals, (rows - 1,), in which a device was not there at one end or both.

        Its source was read then, without a problem, and did not list it.
        """
        source = split(column)[0]
        there = self._at_due_rows(source, column) != MISSING
        gone = ~there
        if source in self._was_read:
            due = self._due.get(source)
            gone &= self._was_read[source] if due is None else self._was_read[source][due]
        explained = there | gone
        ends: Bool = (gone[1:] | gone[:-1]) & explained[1:] & explained[:-1]
        return self._expand(source, ends)

    # ---- one device
    def _examine(self, source: str, device: str, columns: list[str]) -> None:
        """Find the growth of counters that are reset together."""
        raws = {c: self._at_due_rows(source, c) for c in columns}
        n = max(len(raws[columns[0]]) - 1, 0)
        seen = DeviceCounters(raws, {c: w for c in columns if (w := self._width(c))}, n)
        reset = seen.reset() if device else np.zeros(n, dtype=bool)
        seconds = self._due_seconds(source)
        growths = {c: seen.growth(c) for c in columns}
        jump = np.zeros(n, dtype=bool)
        for column in columns:
            unit = self._rows.unit(column)
            most = self._limits.per_second(source, device, split(column)[2], unit)
            if most is not None:
                growths[column] = settled(growths[column], seconds, most)
                with np.errstate(invalid="ignore"):
                    jump |= (growths[column] > most * seconds) & ~reset
        if source == "stat" and re.fullmatch(r"cpu\d*", device):
            jump |= self._cpu_jump(device, raws, seconds)
        self._note(source, device or split(columns[0])[2], RESET, reset)
        self._note(source, device or split(columns[0])[2], JUMP, jump)
        for column in columns:
            self._keep(column, growths[column], reset | jump, seen, raws[column])

    def _keep(
        self, column: str, growth: Float64, ruled_out: Bool, seen: DeviceCounters, raw: Int64
    ) -> None:
        source, device, name = split(column)
        fell = seen.fell[column] & ~ruled_out
        stuck = np.zeros(len(growth), dtype=bool)
        if source == "infiniband" and name in _GREATEST:
            stuck = (raw[1:] == _GREATEST[name]) & ~ruled_out
        if name not in MAY_FALL or name in _OWN_FIGURE:
            self._note(source, f"{device}.{name}" if device else name, FELL, fell)
        self._note(source, device or name, STUCK, stuck)
        growth[ruled_out | fell | stuck] = np.nan
        self._ruled_out[column] = self._expand(source, ruled_out)
        self._found[column] = self._spread(source, growth)

    def _cpu_jump(self, device: str, raws: dict[str, Int64], seconds: Float64) -> Bool:
        """Return the intervals in which a CPU, or all of them, had more time than there was."""
        by_mode = {split(c)[2]: signed_growth(raw) for c, raw in raws.items()}
        cpus = self._cpus_online(len(seconds)) if device == "cpu" else np.ones(len(seconds))
        return impossible_cpu_time(by_mode.get, cpus, seconds)

    def _cpus_online(self, n: int) -> Float64:
        """Return (intervals,): the CPUs that are listed at both ends."""
        if self._online is None:
            found = [
                both_known(self._at_due_rows("stat", columns[0])).astype(np.float64)
                for (source, device), columns in self._of_device.items()
                if source == "stat" and re.fullmatch(r"cpu\d+", device)
            ]
            online = np.sum(found, axis=0) if found else np.zeros(n)
            self._online = np.where(online > 0, online, _ANY_CPUS)
        return self._online

    def _width(self, column: str) -> int:
        """Return the value at which a counter starts again at 0; 0 where it is not known.

        Times of /proc/diskstats have 32 bits on every kernel (``unsigned int`` in block/genhd.c);
        requests and sectors are ``unsigned long``. Energy has the range that sysfs says.
        """
        source, device, name = split(column)
        if source == "diskstats" and name.endswith("_ms"):
            return 2**32
        ranges = f"{source}.{device}.{_ENERGY_RANGE}"
        if name.startswith("energy") and ranges in self._of_device[source, device]:
            known = self._rows.raw(ranges)
            known = known[known > 0]
            return int(known[-1]) if len(known) else 0
        return 0

    # ---- rows
    def _at_due_rows(self, source: str, column: str) -> Int64:
        raw = self._rows.raw(column)
        return raw[self._due[source]] if source in self._due else raw

    def _due_seconds(self, source: str) -> Float64:
        """Return the time between neighbouring rows at which a source was due."""
        times = self._rows.timestamp_ns
        return np.diff(times[self._due[source]] if source in self._due else times) * 1e-9

    def _spread(self, source: str, growth: Float64) -> Float64:
        """Return (rows - 1,) of the growth between rows at which a source was due, by time."""
        due = self._due.get(source)
        if due is None:
            return growth
        out = np.full(self._n, np.nan)
        if len(due) > 1:
            spans = np.diff(due)
            inside = slice(due[0], due[-1])
            seconds = self._seconds[inside]
            of_span = np.add.reduceat(seconds, due[:-1] - due[0])
            with np.errstate(divide="ignore", invalid="ignore"):
                out[inside] = np.repeat(growth / of_span, spans) * seconds
        return out

    def _expand(self, source: str, flags: Bool) -> Bool:
        """Return (rows - 1,): the flag of the interval between due rows that each lies in."""
        due = self._due.get(source)
        if due is None:
            return flags
        out = np.zeros(self._n, dtype=bool)
        if len(due) > 1:
            out[due[0] : due[-1]] = np.repeat(flags, np.diff(due))
        return out

    def _note(self, source: str, what: str, reason: str, where: Bool) -> None:
        """``where``: of the intervals between rows at which the source was due."""
        if not where.any():
            return
        due = self._due.get(source)
        rows = np.zeros(self._n, dtype=bool)
        rows[np.flatnonzero(where) if due is None else due[1:][where] - 1] = True
        key = (source, what, reason)
        known = self.unknown.setdefault(key, Unknown(source, what, reason, rows))
        known.rows = known.rows | rows


def _yet_to_come(status: Int64) -> Bool:
    """Return the rows before a source that came during the run was there."""
    absent = (status == ABSENT) | (status == SKIPPED)
    out: Bool = np.logical_and.accumulate(absent)
    return out
