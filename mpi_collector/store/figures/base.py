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

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mpi_collector.node.table.counted import Counted, count_disks, count_interfaces
from mpi_collector.node.table.topology import topology_of
from mpi_collector.store.device_counters import split
from mpi_collector.store.figures.derived import Derived, Series
from mpi_collector.store.figures.figure import (
    DRAWN,
    OUTLIER_FLOORS,
    Across,
    Chart,
    Column,
    DeviceKind,
    Figure,
    Group,
    NoChart,
    Scale,
    Scope,
)
from mpi_collector.store.figures.unknown import unknown_note, with_cpus_together
from mpi_collector.store.host import Float64, Host

_DISK_TRAFFIC = ("reads_completed", "writes_completed", "sectors_read", "sectors_written")
_NET_TRAFFIC = ("rx_bytes", "tx_bytes")


@dataclass(frozen=True)
class DeviceList:
    """Devices of one source that have figures of their own.

    ``names``: of those of a host, in recorded order. ``why_not``: {name: why a total leaves it
    out}.
    """

    kind: DeviceKind
    source: str
    names: Callable[[Deriver], Iterable[str]]
    why_not: Callable[[Deriver], Mapping[str, str]] = lambda host: {}


class Subject:
    """The figures of one subject, and the function that computes them for a host.

    ``order``: when it is computed among the subjects, hence the order of a host's figures and
    notes. ``table_order``: place of its figures in tables, by default the same. ``scope``: of all
    figures of the subject. ``lists``: the devices for each of which the figures are computed, too;
    the function then sees a host that has this device alone.
    """

    def __init__(
        self,
        order: int,
        *,
        group: Group = Group.SYSTEM,
        optional: bool = False,
        table_order: int | None = None,
        scope: Scope = Scope.KERNEL,
        lists: Sequence[DeviceList] = (),
    ) -> None:
        self.order = order
        self.figures: list[Figure] = []
        self.derive: Callable[[Deriver], None] = lambda host: None
        self.lists = tuple(lists)
        self.scope = scope
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
        optional: bool | None = None,
        of_devices: bool = True,
    ) -> Figure:
        """Declare a figure. The axis and the outlier floor follow from the unit unless given.

        ``optional``: by default as the subject is.
        """
        figure = Figure(
            name=name,
            label=label,
            unit=unit,
            across=across,
            doc=doc,
            order=self._table_order if order is None else order,
            group=self._group,
            optional=self._optional if optional is None else optional,
            chart=chart,
            scale=Scale.PERCENT if unit == "%" else Scale.FROM_ZERO,
            columns=tuple(columns),
            limit=limit,
            outlier_floor=OUTLIER_FLOORS[unit] if outlier_floor is None else outlier_floor,
            undefined_when_idle=undefined_when_idle,
            hidden_when_zero=hidden_when_zero,
            scope=self.scope,
            of_devices=of_devices,
        )
        self.figures.append(figure)
        return figure

    def computed_by(self, function: Callable[[Deriver], None]) -> Callable[[Deriver], None]:
        """Decorate the function that adds the subject's figures to a host."""
        self.derive = function
        return function


class Deriver:
    """The rows of one host as intervals, and the figures computed so far (``derived``).

    ``host``: with all of its rows. ``seconds``: (intervals,) time between neighbouring rows, or in
    the window; NaN where it is not positive. ``device``: (source, name) where the host is seen as
    if it had this device alone.
    """

    device: tuple[str, str] | None = None

    def __init__(self, host: Host) -> None:
        self.host = host.whole
        self.columns = self.host.once("columns", lambda: frozenset(self.host.columns))
        self._clip = host.clip
        self.seconds: Float64 = self._clip.seconds
        at = self._clip.intervals
        starts = self._clip.starts
        ends = np.append(starts[1:], len(at))[: len(starts)] - 1
        tick = self.host.tick
        known_s = self.seconds[np.isfinite(self.seconds)]
        self.derived = Derived(
            key=host.key,
            begin_tick=tick[at[starts]],
            tick=tick[at[ends] + 1],
            begin_ns=self._clip.begin_ns[starts],
            end_ns=self._clip.end_ns[ends],
            span_s=float(known_s.sum()),
        )
        self.derived.block, self.derived.net = self.host.once("counted", self._counted)

    def _counted(self) -> tuple[Counted, Counted]:
        """Return which disks and which interfaces count in totals, by the whole recording."""
        disks = count_disks(
            self.devices("diskstats", "sectors_read"),
            topology_of(self.host.meta, "block"),
            lambda name: self._moved(f"diskstats.{name}", _DISK_TRAFFIC),
        )
        interfaces = count_interfaces(
            self.devices("netdev", "rx_bytes"),
            topology_of(self.host.meta, "net"),
            lambda name: self._moved(f"netdev.{name}", _NET_TRAFFIC),
        )
        return disks, interfaces

    def _moved(self, device: str, fields: Iterable[str]) -> float:
        """Return by how much these counters of a device grew in the whole recording."""
        names = [f"{device}.{field}" for field in fields]
        grown = [self.host.counters.of(n) for n in names if n in self.columns]
        return float(sum(np.nansum(np.maximum(g, 0)) for g in grown))

    @property
    def intervals(self) -> int:
        return len(self.seconds)

    def devices(self, source: str, column: str) -> list[str]:
        """Return the names of a source's devices that have ``column``, in recorded order."""
        if self.device is not None:
            of_source, name = self.device
            found = source == of_source and f"{source}.{name}.{column}" in self.columns
            return [name] if found else []
        return [d for d, fields in self._tables.get(source, {}).items() if column in fields]

    def all_devices(self, source: str) -> list[str]:
        """Return the names of a source's devices, in recorded order."""
        if self.device is not None:
            return [self.device[1]] if source == self.device[0] else []
        return list(self._tables.get(source, ()))

    def only(self, source: str, name: str) -> Deriver:
        """Return the host as if it had one device alone, without figures."""
        out = copy.copy(self)
        out.device = (source, name)
        out.derived = replace(self.derived, series={}, notes=[], remarks=[])
        out.derived.block = Counted([name] if source == "diskstats" else [])
        out.derived.net = Counted([name] if source == "netdev" else [])
        return out

    @property
    def _tables(self) -> dict[str, dict[str, set[str]]]:
        """{source: {device: fields}} of the whole host."""
        return self.host.once("tables", lambda: device_fields(self.host.columns))

    # ---- columns in the intervals
    def growth(self, name: str) -> Float64:
        """Return the growth of a counter, (intervals,), NaN where unknown (``store.growth``)."""
        return self._clip.growth(self.host.counters.of(name))

    def change(self, name: str) -> Float64:
        """Return the change of a counter that may decrease, (intervals,), NaN where unknown."""
        return self._clip.growth(self.host.counters.change(name))

    def level(self, name: str) -> Float64:
        """Return a gauge at the end of each interval, (intervals,), NaN where it is missing."""
        return self.host.value(name)[1:][self._clip.intervals]

    def growths(self, source: str, devices: Sequence[str], column: str) -> Iterator[Float64]:
        """Yield the growth of ``column`` for each of the devices that have it."""
        for device in devices:
            name = f"{source}.{device}.{column}"
            if name in self.columns:
                yield self.growth(name)

    def total(self, source: str, devices: Sequence[str], column: str) -> Float64 | None:
        """Return the growth summed over devices, (intervals,); None when none has the column.

        A device that is not there in an interval has no part in it. Where a device is there and its
        growth is unknown, so is the sum.
        """
        parts = []
        unknown = np.zeros(self.intervals, dtype=bool)
        for device in devices:
            name = f"{source}.{device}.{column}"
            if name in self.columns:
                growth = self.growth(name)
                absent = self.host.counters.absent(name)[self._clip.intervals]
                unknown |= ~np.isfinite(growth) & ~absent
                parts.append(growth)
        total = known_sum(parts)
        return None if total is None else np.where(unknown, np.nan, total)

    # ---- figures
    def add(self, figure: Figure, values: Float64 | None, weight: Float64 | None = None) -> None:
        """Keep a figure, (intervals,); nothing when ``values`` is None. Default weight: seconds."""
        if values is None or not len(values):
            return
        weight = self.seconds if weight is None else weight
        known = np.isfinite(values) & np.isfinite(weight)
        shown, shown_weight = self._shown(values, weight, known)
        finite = shown[np.isfinite(shown)]
        total = float(weight[known].sum())
        mean = float((values[known] * weight[known]).sum() / total) if total > 0 else math.nan
        peak = float(finite.max()) if len(finite) else mean
        minimum = float(finite.min()) if len(finite) else mean
        self.derived.series[figure.name] = Series(
            values=shown,
            weight=shown_weight,
            mean=min(max(mean, minimum), peak),  # of equal values, rounding apart
            peak=peak,
            minimum=minimum,
            weight_sum=total if known.any() else 0.0,
            known_s=float(self.seconds[known].sum()),
        )

    def _shown(
        self, values: Float64, weight: Float64, known: npt.NDArray[np.bool_]
    ) -> tuple[Float64, Float64]:
        """Return values and weights of the intervals as they are shown."""
        starts = self._clip.starts
        if len(starts) == len(values):
            return np.where(known, values, np.nan), weight
        amounts = np.add.reduceat(np.where(known, values * weight, 0.0), starts)
        weights = np.add.reduceat(np.where(known, weight, 0.0), starts)
        alone = np.diff(np.append(starts, len(values))) == 1
        shown = np.where(alone, np.where(known, values, np.nan)[starts], amounts / weights)
        return shown, np.where(alone, weight[starts], weights)

    def add_rate(self, figure: Figure, growth: Float64 | None) -> None:
        """Keep the growth per second; nothing when ``growth`` is None."""
        self.add(figure, None if growth is None else growth / self.seconds)

    def add_percent(self, figure: Figure, part: Float64, whole: Float64) -> None:
        """Keep ``part`` in percent of ``whole``, weighted by it; unknown where ``whole`` is 0."""
        self.add(figure, 100 * part / positive(whole), not_negative(whole))

    def add_per_request(self, figure: Figure, amount: Float64, requests: Float64) -> None:
        """Keep ``amount`` per request, weighted by requests; unknown where there were none."""
        self.add(figure, amount / positive(requests), not_negative(requests))

    def note(self, text: str) -> None:
        """Add what a reader must know of this host's figures."""
        self.derived.notes.append(text)

    def note_unknown(self) -> None:
        """Note what was left out of the figures, once per device and reason, with its time."""
        for unknown in with_cpus_together(self.host.counters.unknown.values()):
            rows = np.flatnonzero(unknown.rows[self._clip.intervals])
            if len(rows):
                text = unknown_note(unknown, self._clip.end_ns[rows])
                self.derived.notes.append(text)
                if not self._left_out(unknown.source, unknown.what):
                    self.derived.remarks.append(text)

    def _left_out(self, source: str, device: str) -> bool:
        """Return whether totals leave a device out."""
        counted = {"diskstats": self.derived.block, "netdev": self.derived.net}.get(source)
        return counted is not None and device in counted.left_out


def device_fields(columns: Iterable[str]) -> dict[str, dict[str, set[str]]]:
    """Return {source: {device: fields}}, in recorded order, of columns that belong to devices."""
    out: dict[str, dict[str, set[str]]] = {}
    for column in columns:
        source, device, field = split(column)
        if device:
            out.setdefault(source, {}).setdefault(device, set()).add(field)
    return out


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
