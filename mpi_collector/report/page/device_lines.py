"""Single devices over time, as many as a page of bounded size can hold, the busiest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from mpi_collector.report.cluster import HostFigures
from mpi_collector.report.page.downsample import Downsampler, Float32
from mpi_collector.report.run_intervals import RunIntervals
from mpi_collector.store.figures import BY_NAME, FIGURES
from mpi_collector.store.figures.derived import Derived, DeviceFigures, Series
from mpi_collector.store.figures.figure import DeviceKind
from mpi_collector.store.host import Float64

VALUES_MOST = 600_000  #: of all devices on a page: about 2 MB
_POINTS_LEAST = 240  #: of a line that is drawn


class DeviceLine(NamedTuple):
    """A figure of a device. ``values``: (points,). ``mean``, ``peak``: of the whole run."""

    values: Float32
    mean: float
    peak: float


@dataclass
class PageDevice:
    """A device with lines of its own. ``rate``: what it is ordered by, and ``unit`` of it."""

    host: str
    kind: DeviceKind
    name: str
    counted: bool
    rate: float
    unit: str
    lines: dict[str, DeviceLine] = field(default_factory=dict)


@dataclass
class DeviceLines:
    """The devices of a page.

    ``x_ms``: (points,) of all lines. ``bin_s``: see PageData. ``idle``: devices of which all is
    zero. ``unknown``: devices of which nothing is known. ``beyond``: devices that the page has no
    room for.
    """

    x_ms: Float64
    bin_s: float
    devices: list[PageDevice]
    idle: int
    unknown: int
    beyond: int


class _Found(NamedTuple):
    host: str
    device: DeviceFigures
    figures: dict[str, Series]  #: that are known at some time

    @property
    def rate(self) -> tuple[float, str]:
        """What tells how busy it is, and the unit: bytes per second, else the first figure."""
        moved = [s.mean for n, s in self.figures.items() if BY_NAME[n].unit == "bytes/s"]
        if moved:
            return float(np.nansum(moved)), "bytes/s"
        name, series = next((n, s) for n, s in self.figures.items() if s.peak > 0)
        return series.peak, BY_NAME[name].unit

    @property
    def moves(self) -> bool:
        return any(series.peak > 0 for series in self.figures.values())


def device_lines(
    hosts: Sequence[HostFigures],
    grids: Mapping[str, Derived],
    intervals: RunIntervals,
    line_points: int,
) -> DeviceLines:
    """Return the devices of few hosts.

    ``grids``: {host: its rows in time}. ``line_points``: of a line, at most.
    """
    found = [_Found(h.key, d, _known(d)) for h in hosts for d in h.devices]
    moving = list(_in_turn(f for f in found if f.moves))
    arrays = sum(len(f.figures) for f in moving)
    points = min(max(VALUES_MOST // max(arrays, 1), _POINTS_LEAST), line_points)
    reducer = Downsampler(intervals, 1, points)
    room = VALUES_MOST // max(len(reducer.x_ms), 1)
    shown = []
    for one in moving:
        room -= len(one.figures)
        if room < 0:
            break
        shown.append(_reduced(one, grids[one.host], intervals, reducer))
    unknown = sum(not f.figures for f in found)
    idle = len(found) - len(moving) - unknown
    beyond = len(moving) - len(shown)
    return DeviceLines(reducer.x_ms, reducer.bin_s, shown, idle, unknown, beyond)


def _known(device: DeviceFigures) -> dict[str, Series]:
    series = {f.name: device.series[f.name] for f in FIGURES if f.name in device.series}
    return {name: values for name, values in series.items() if values.known_s > 0}


def _in_turn(found: Iterable[_Found]) -> Iterator[_Found]:
    """Yield the busiest of each kind, then the second of each, ..."""
    kinds: dict[str, list[_Found]] = {}
    for one in found:
        kinds.setdefault(one.device.kind, []).append(one)
    for of_kind in kinds.values():
        of_kind.sort(key=lambda f: (not f.device.counted, -f.rate[0]))
    for row in zip_longest(*kinds.values()):
        yield from (one for one in row if one is not None)


def _reduced(
    one: _Found, grid: Derived, intervals: RunIntervals, reducer: Downsampler
) -> PageDevice:
    rate, unit = one.rate
    device = one.device
    out = PageDevice(one.host, device.kind, device.name, device.counted, rate, unit)
    for name, series in one.figures.items():
        values = reducer.line(intervals.to_slots(grid, series.values))
        out.lines[name] = DeviceLine(values, series.mean, series.peak)
    return out
