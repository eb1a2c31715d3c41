"""A host of a recording with its figures, and a window of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.store.clip import Clip, Stretch, union
from mpi_collector.store.figures import BY_NAME, derive, derive_devices
from mpi_collector.store.figures.derived import Derived, Series
from mpi_collector.store.host import Float64, Host, Int64
from mpi_collector.store.host_members import NOT_BY_ROW


@dataclass(frozen=True)
class HostFigure:
    """A figure of a host or a device. Arrays: (intervals,); NaN where it is unknown.

    ``begin_ns``, ``end_ns``: UTC ns. ``mean`` is weighted with time, or with what the figure is a
    mean over, such as requests. ``known_s``: seconds in which the figure is known.
    """

    name: str
    unit: str
    begin_ns: Int64
    end_ns: Int64
    values: Float64
    mean: float
    peak: float
    minimum: float
    known_s: float


@dataclass(frozen=True)
class Device:
    """A disk, interface, mount, GPU or port. ``why_not``: why totals leave it out, or ""."""

    kind: str
    name: str
    why_not: str
    figures: dict[str, HostFigure]

    @property
    def counted(self) -> bool:
        """Whether it is part of totals."""
        return not self.why_not


class RecordedHost(Host):
    """The recording of one host, and what is derived from it."""

    def figure(self, name: str) -> HostFigure:
        """Return a figure by its name, as in ``read_bytes_per_s``. KeyError names those there are.

        docs/figures.md lists all figures.
        """
        found = self.derived
        if name not in found.series:
            known = ", ".join(found.series) or "none"
            raise KeyError(f"{self.key} has no figure {name!r}; there are: {known}")
        return _figure(name, found.series[name], found)

    @property
    def derived(self) -> Derived:
        """All figures. Kept in memory until ``release()``."""
        return self.once("derived", lambda: derive(self))

    @property
    def devices(self) -> list[Device]:
        """The disks, interfaces, mounts, GPUs and ports, each with figures of its own."""
        times = self.derived
        return [
            Device(
                d.kind, d.name, d.why_not, {n: _figure(n, s, times) for n, s in d.series.items()}
            )
            for d in self.once("devices", lambda: derive_devices(self))
        ]

    def between(self, begin_ns: int, end_ns: int) -> HostWindow:
        """Return the rows from the last before ``begin_ns`` to the last at ``end_ns``, UTC ns."""
        return HostWindow(self, [(begin_ns, end_ns)])


class HostWindow(RecordedHost):
    """A host with the rows of a window only, and the row before each stretch, where rates begin."""

    def __init__(
        self, whole: Host, stretches: Sequence[Stretch], knots: Sequence[int] = ()
    ) -> None:
        """``knots``: the marks of the run, UTC ns, in order."""
        super().__init__(whole.stored)
        self._whole = whole
        self._stretches = union(stretches)
        self._knots = knots
        times = whole.timestamp_ns
        inside = np.zeros(len(times), dtype=bool)
        for begin, end in self._stretches or stretches:
            first = max(int(np.searchsorted(times, begin, side="right")) - 1, 0)
            inside[first : int(np.searchsorted(times, end, side="right"))] = True
        self._rows = np.flatnonzero(inside)

    def array(self, name: str) -> npt.NDArray[Any]:
        found = super().array(name)
        return found if name in NOT_BY_ROW else found[self._rows]

    def delta(self, name: str) -> Float64:
        """float64 (rows - 1,): as of the whole host; NaN between two stretches."""
        grown = self._whole.delta(name)
        out = grown[self._rows[1:] - 1]
        out[np.diff(self._rows) != 1] = np.nan
        return out

    @property
    def whole(self) -> Host:
        return self._whole

    @property
    def clip(self) -> Clip:
        return Clip(
            self.whole.timestamp_ns,
            self._stretches,
            self._knots,
            self.whole.stopped,
        )

    def release(self) -> None:
        super().release()
        self._whole.release()


def _figure(name: str, series: Series, times: Derived) -> HostFigure:
    return HostFigure(
        name=name,
        unit=BY_NAME[name].unit,
        begin_ns=times.begin_ns,
        end_ns=times.end_ns,
        values=series.values,
        mean=series.mean,
        peak=series.peak,
        minimum=series.minimum,
        known_s=series.known_s,
    )
