"""The figures of one host, as they are computed and kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mpi_collector.node.table.counted import Counted
from mpi_collector.store.figures.figure import DeviceKind
from mpi_collector.store.host import Float64, Int64


@dataclass
class Series:
    """One figure of one host. ``values``, ``weight``: (intervals,).

    ``weight``: what the mean over time and hosts is weighted with: seconds, requests or CPU time.
    ``known_s``: seconds in which the figure is known. ``minimum`` <= ``mean`` <= ``peak``.
    """

    values: Float64
    weight: Float64
    mean: float
    peak: float
    minimum: float
    weight_sum: float
    known_s: float


@dataclass
class DeviceFigures:
    """A device with figures of its own. ``why_not``: why totals leave it out, "" if they do not."""

    kind: DeviceKind
    source: str
    name: str
    why_not: str
    series: dict[str, Series]

    @property
    def counted(self) -> bool:
        return not self.why_not


@dataclass
class Derived:
    """The figures of one host; times in UTC ns on the common time line, all arrays (intervals,).

    ``begin_tick``, ``tick``: those of each interval's rows, -1 for the stop row. ``span_s``: time
    between the first row and the last, or of the window. An interval at the end, or at the edge of
    a window, that is too short to be looked at is part of the one beside it (``store.clip``).
    """

    key: str
    begin_tick: Int64
    tick: Int64
    begin_ns: Int64
    end_ns: Int64
    span_s: float
    series: dict[str, Series] = field(default_factory=dict)
    block: Counted = field(default_factory=Counted)
    net: Counted = field(default_factory=Counted)
    cpus: int | None = None
    memory_bytes: float = float("nan")
    busiest: tuple[str, float] | None = None  #: the disk that was busiest, and its utilisation in %
    busiest_cpu: tuple[str, float] | None = None  #: likewise
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  #: those of ``notes`` that go with the verdict

    def per_second(self, amounts: Float64) -> Float64:
        """Return (intervals,) divided by the length of each interval, NaN where it has none."""
        seconds = (self.end_ns - self.begin_ns) / 1e9
        return amounts / np.where(seconds > 0, seconds, np.nan)
