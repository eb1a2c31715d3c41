"""Rows that are encoded as samples: of a node's table, of a recording, or some of either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mpi_collector.node.row.layout import Layout

if TYPE_CHECKING:  # every node encodes samples, and no node loads numpy for it
    import numpy as np
    import numpy.typing as npt


class Rows(Protocol):
    """Rows to encode: a node's table, or a host of a recording."""

    layout: Layout

    @property
    def ticks(self) -> Sequence[int]:
        """The tick of each row, -1: the stop row."""

    def utc_ns(self) -> Sequence[int]:
        """Return when each row began."""

    def statuses(self) -> Sequence[Sequence[int]]:
        """Return, for each source, its status in each row."""

    def row(self, n: int) -> Sequence[int]:
        """Return the values of row n."""


class RecordedHost(Protocol):
    """A host of a recording (``store.recording.Host``)."""

    key: str

    @property
    def meta(self) -> dict[str, Any]: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def tick(self) -> npt.NDArray[np.int64]: ...
    @property
    def timestamp_ns(self) -> npt.NDArray[np.int64]: ...
    @property
    def values(self) -> npt.NDArray[np.int64]: ...
    def array(self, name: str) -> Any: ...


class RecordedRows:
    """The rows of a host of a recording, for ``encode_samples``."""

    def __init__(self, host: RecordedHost) -> None:
        self._host = host
        self.layout = host.layout
        self.ticks = list(host.tick.tolist())

    @staticmethod
    def hostname(host: RecordedHost) -> str:
        """Return the host's own name."""
        return str(host.meta.get("identity", {}).get("hostname") or host.key)

    def utc_ns(self) -> list[int]:
        return list(self._host.timestamp_ns.tolist())

    def statuses(self) -> list[list[int]]:
        return list(self._host.array("source_status").T.tolist())

    def row(self, n: int) -> list[int]:
        return list(self._host.values[n].tolist())


class ChosenRows:
    """Some of ``rows``: those with the indices ``chosen``."""

    def __init__(self, rows: Rows, chosen: Sequence[int]) -> None:
        self._rows = rows
        self._chosen = chosen
        self.layout = rows.layout
        self.ticks = [rows.ticks[n] for n in chosen]

    def utc_ns(self) -> list[int]:
        times = self._rows.utc_ns()
        return [times[n] for n in self._chosen]

    def statuses(self) -> list[list[int]]:
        return [[status[n] for n in self._chosen] for status in self._rows.statuses()]

    def row(self, n: int) -> Sequence[int]:
        return self._rows.row(self._chosen[n])
