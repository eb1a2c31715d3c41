"""The figures of all hosts over time: ``run.figures()``. One host is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.store.figures import BY_NAME
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.figures.figure import Figure
from mpi_collector.store.host import Float64, Int64
from mpi_collector.store.phases import Phase, PhaseLabels

if TYPE_CHECKING:
    import pandas


class FigureHost(Protocol):
    """What has figures; ``store.recorded_host.RecordedHost`` does."""

    @property
    def derived(self) -> Derived: ...


class FigureSource(Protocol):
    """What a table is made of; ``store.recording.Recording`` has it."""

    run: RunDocument

    @property
    def marks(self) -> list[Phase]: ...

    def fresh(self, key: str) -> FigureHost: ...


@dataclass(frozen=True)
class FigureRows:
    """The figures of one host. Arrays and lists: (intervals,).

    ``begin_ns``, ``end_ns``: UTC ns. ``phases``: names of the phases in the middle of each
    interval, the outer one first, "" where there is none. ``values``: {figure: values}, NaN where
    it is unknown; a figure that the host does not have is left out.
    """

    host: str
    begin_ns: Int64
    end_ns: Int64
    phases: list[str]
    values: dict[str, Float64]


class FigureTable:
    """The figures of hosts over time. Iterate over it for the rows of each host."""

    def __init__(self, recording: FigureSource, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self._recording = recording
        self._labels = PhaseLabels(recording.marks)

    def __iter__(self) -> Iterator[FigureRows]:
        for key in self.hosts:
            found = self._recording.fresh(key).derived
            middle = found.begin_ns + (found.end_ns - found.begin_ns) // 2
            yield FigureRows(
                key,
                found.begin_ns,
                found.end_ns,
                self._labels.at(middle),
                {name: series.values for name, series in found.series.items()},
            )

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures that any of the hosts has, in the order of tables. Reads every host."""
        found = {name for rows in self for name in rows.values}
        return [figure for name, figure in BY_NAME.items() if name in found]

    @property
    def units(self) -> Mapping[str, str]:
        """{figure: unit}, of ``figures``."""
        return {figure.name: figure.unit for figure in self.figures}

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row per host and interval, a column per figure; pandas must be installed.

        The index is ``host`` and the UTC ``time`` at which the interval ends; ``begin`` and
        ``phase`` are columns. ``attrs["units"]`` has the units.
        """
        from mpi_collector.store.to_pandas import require_pandas

        pd = require_pandas()
        names = [figure.name for figure in self.figures]
        frames: dict[str, Any] = {}
        for rows in self:
            index = pd.DatetimeIndex(pd.to_datetime(rows.end_ns, utc=True), name="time")
            columns: dict[str, Any] = {
                "begin": pd.to_datetime(rows.begin_ns, utc=True),
                "phase": pd.array([p or None for p in rows.phases], dtype="string"),
                **{name: rows.values.get(name, float("nan")) for name in names},
            }
            frames[rows.host] = pd.DataFrame(columns, index=index)
        out: pandas.DataFrame = (
            pd.concat(frames, names=["host", "time"]) if frames else pd.DataFrame()
        )
        out.attrs["units"] = dict(self.units)
        return out
