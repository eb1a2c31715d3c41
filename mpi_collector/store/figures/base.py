"""Subjects, which declare and compute figures, and what all figures of one host share.

A figure is a quantity derived from the columns of a host. Each module of this folder declares the
figures of one subject and the function that computes them::

    DISK = Subject(order=10, group=Group.STORAGE)
    READS = DISK.figure("read_iops", "read IOPS", "1/s", "sum", "reads completed per second")

    @DISK.computed_by
    def derive_disk(host: Deriver) -> None:
        host.add_rate(READS, host.total("diskstats", host.derived.block.devices, "reads_completed"))

The declaration says everything that the summary, the page, the outliers and the comparison need to
know of a figure; no other module lists figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.store.figures.devices import Counted, block_rule, choose, net_rule
from mpi_collector.store.figures.figure import (
    DRAWN,
    OUTLIER_FLOORS,
    Across,
    Chart,
    Column,
    Figure,
    Group,
    NoChart,
    Scale,
)
from mpi_collector.store.host import Float64, Host, Int64
from mpi_collector.store.sampling_gaps import SamplingGaps


class Subject:
    """The figures of one subject, and the function that computes them for a host.

    ``order``: when it is computed among the subjects, hence the order of a host's figures and
    notes. ``table_order``: place of its figures in tables, by default the same.
    """

    def __init__(
        self,
        order: int,
        *,
        group: Group = Group.SYSTEM,
        optional: bool = False,
        table_order: int | None = None,
    ) -> None:
        self.order = order
        self.figures: list[Figure] = []
        self.derive: Callable[[Deriver], None] = lambda host: None
        self._group = group
        self._optional = optional
        self._table_order = order if table_order is None else table_order

    def figure(
        self,
        name: str,
        label: str,
        unit: str,
        across: Across,
        doc: str,
        *,
        order: int | None = None,
        chart: Chart | NoChart = DRAWN,
        columns: Sequence[Column] = (),
        limit: float | None = None,
        outlier_floor: float | None = None,
        undefined_when_idle: bool = False,
        hidden_when_zero: bool = False,
    ) -> Figure:
        """Declare a figure. The axis and the outlier floor follow from the unit unless given."""
        figure = Figure(
            name=name,
            label=label,
            unit=unit,
            across=across,
            doc=doc,
            order=self._table_order if order is None else order,
            group=self._group,
            optional=self._optional,
            chart=chart,
            scale=Scale.PERCENT if unit == "%" else Scale.FROM_ZERO,
            columns=tuple(columns),
            limit=limit,
            outlier_floor=OUTLIER_FLOORS[unit] if outlier_floor is None else outlier_floor,
            undefined_when_idle=undefined_when_idle,
            hidden_when_zero=hidden_when_zero,
        )
        self.figures.append(figure)
        return figure

    def computed_by(self, function: Callable[[Deriver], None]) -> Callable[[Deriver], None]:
        """Decorate the function that adds the subject's figures to a host."""
        self.derive = function
        return function


@dataclass
class Series:
    """One figure of one host. ``values``, ``weight``: (intervals,).

    ``weight``: what the mean over time and hosts is weighted with: seconds, requests or CPU time.
    ``mean`` covers the last, short interval too. ``known_s``: seconds in which the figure is known.
    """

    values: Float64
    weight: Float64
    mean: float
    peak: float
    minimum: float
    weight_sum: float
    known_s: float


@dataclass
class Derived:
    """The figures of one host; times in UTC ns on the common time line, all arrays (intervals,).

    ``first_tick``: that of the first row. ``tick``: that of each interval's end, -1 for the stop
    row. ``span_s``: from the first row to the last. The interval that ends with the stop row is
    left out of the arrays when it is shorter than half of the median interval: a burst within a few
    milliseconds would look like a peak. The means include it.
    """

    key: str
    first_tick: int
    tick: Int64
    begin_ns: Int64
    end_ns: Int64
    span_s: float
    series: dict[str, Series] = field(default_factory=dict)
    block: Counted = field(default_factory=Counted)
    net: Counted = field(default_factory=Counted)
    cpus: int | None = None
    memory_bytes: float = float("nan")
    notes: list[str] = field(default_factory=list)


class Deriver:
    """The rows of one host as intervals, and the figures computed so far (``derived``).

    ``seconds``: (intervals,) exact time between neighbouring rows, NaN where it is not positive.
    """

    def __init__(self, host: Host) -> None:
        times = host.timestamp_ns
        self.host = host
        self.columns = frozenset(host.columns)
        self.seconds: Float64 = np.diff(times) * 1e-9
        self.seconds[self.seconds <= 0] = np.nan
        self._gaps = SamplingGaps(host, self.seconds)
        self._shown = _shown(host, self.seconds)
        n = self._shown
        self.derived = Derived(
            key=host.key,
            first_tick=int(host.tick[0]) if len(times) else STOP_TICK,
            tick=host.tick[1 : n + 1],
            begin_ns=times[:n],
            end_ns=times[1 : n + 1],
            span_s=float(times[-1] - times[0]) * 1e-9 if len(times) else 0.0,
        )
        topology = host.meta.get("topology") or {}
        disks = self.devices("diskstats", "sectors_read")
        self.derived.block = choose(disks, topology.get("block") or {}, block_rule)
        interfaces = self.devices("netdev", "rx_bytes")
        self.derived.net = choose(interfaces, topology.get("net") or {}, net_rule)

    def devices(self, source: str, column: str) -> list[str]:
        """Return the names of a source's devices that have ``column``, in recorded order."""
        head = f"{source}."
        tail = f".{column}"
        return [
            c[len(head) : -len(tail)]
            for c in self.host.columns
            if c.startswith(head) and c.endswith(tail) and len(c) > len(head) + len(tail)
        ]

    def growth(self, name: str) -> Float64:
        """Return the growth of a counter, (intervals,), NaN where unknown. Resets are noted."""
        delta = self._gaps.growth(name)
        raw = self.host.raw(name)
        reset = np.isnan(delta) & (raw[:-1] != MISSING) & (raw[1:] != MISSING)
        note = f"{name}: the counter fell in {int(reset.sum())} interval(s), which are left out"
        if reset.any() and note not in self.derived.notes:
            self.derived.notes.append(note)
        return delta

    def level(self, name: str) -> Float64:
        """Return a gauge at the end of each interval, (intervals,), NaN where it is missing."""
        return self.host.value(name)[1:]

    def growths(self, source: str, devices: Sequence[str], column: str) -> Iterator[Float64]:
        """Yield the growth of ``column`` for each of the devices that have it."""
        for device in devices:
            name = f"{source}.{device}.{column}"
            if name in self.columns:
                yield self.growth(name)

    def total(self, source: str, devices: Sequence[str], column: str) -> Float64 | None:
        """Return the growth summed over devices, (intervals,); None when none has the column.

        An interval counts the devices whose growth is known; it is NaN where none is.
        """
        return known_sum(list(self.growths(source, devices, column)))

    def add(self, figure: Figure, values: Float64 | None, weight: Float64 | None = None) -> None:
        """Keep a figure, (intervals,); nothing when ``values`` is None. Default weight: seconds."""
        if values is None or not len(values):
            return
        weight = self.seconds if weight is None else weight
        known = np.isfinite(values) & np.isfinite(weight)
        total = float(weight[known].sum())
        mean = float((values[known] * weight[known]).sum() / total) if total > 0 else math.nan
        shown = values[: self._shown][known[: self._shown]]
        self.derived.series[figure.name] = Series(
            values=values[: self._shown],
            weight=weight[: self._shown],
            mean=mean,
            peak=float(shown.max()) if len(shown) else mean,
            minimum=float(shown.min()) if len(shown) else mean,
            weight_sum=total if known.any() else 0.0,
            known_s=float(self.seconds[known].sum()),
        )

    def add_rate(self, figure: Figure, growth: Float64 | None) -> None:
        """Keep the growth per second; nothing when ``growth`` is None."""
        self.add(figure, None if growth is None else growth / self.seconds)

    def add_percent(self, figure: Figure, part: Float64, whole: Float64) -> None:
        """Keep ``part`` in percent of ``whole``, weighted by it; unknown where ``whole`` is 0."""
        self.add(figure, 100 * part / positive(whole), not_negative(whole))

    def add_per_request(self, figure: Figure, amount: Float64, requests: Float64) -> None:
        """Keep ``amount`` per request, weighted by requests; unknown where there were none."""
        self.add(figure, amount / positive(requests), not_negative(requests))


def _shown(host: Host, seconds: Float64) -> int:
    """Return how many intervals are shown: without the one up to the stop row when it is short."""
    n = len(seconds)
    if n < 2 or host.tick[-1] != STOP_TICK:
        return n
    known = seconds[:-1][np.isfinite(seconds[:-1])]
    return n if not len(known) or seconds[-1] >= 0.5 * np.median(known) else n - 1


def positive(values: Float64) -> Float64:
    """Return ``values`` with NaN in place of what is not above 0."""
    return np.where(values > 0, values, np.nan)


def not_negative(values: Float64) -> Float64:
    """Return ``values`` with NaN in place of what is below 0."""
    return np.where(values >= 0, values, np.nan)


def known_sum(parts: Sequence[Float64]) -> Float64 | None:
    """Return the sum of arrays in which NaN is unknown; None of no arrays.

    Unknown parts are left out of a sum; it is NaN where no part is known.
    """
    if not parts:
        return None
    known: npt.NDArray[np.bool_] = np.logical_or.reduce([np.isfinite(p) for p in parts])
    return np.where(known, np.nansum(parts, axis=0), np.nan)
