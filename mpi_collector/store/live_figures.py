"""Figures of all hosts from their live vectors, by the code that derives them of a recording.

All hosts are laid end to end as if they were one: host i is the interval between the rows 2i and
2i + 1, its counters grow in it by what its vector says, and in a moment without growth comes the
next host. So one call derives the figures of thousands of hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mpi_collector.node.agent.live import LIVE_COLUMNS, LIVE_LEVELS
from mpi_collector.node.row.layout import MISSING
from mpi_collector.store.figures import FIGURES, derive
from mpi_collector.store.host import Float64, Host
from mpi_collector.store.host_members import HostMembers

_ALL = "all"  #: device that stands for those whose growth a host has summed
_GAP_NS = 1000
_UNITS = {"netdev": "bytes", "stat": "USER_HZ", "meminfo": "kB", "pressure": "us"}
_TOPOLOGY = {
    "block": {_ALL: {"device": True, "kind": "disk"}},
    "net": {_ALL: {"device": True, "kind": "ethernet"}},
}


def _column(source: str, device: str, field: str) -> str:
    return ".".join(p for p in (source, _ALL if device == "*" else device, field) if p)


_COLUMNS = [_column(*column) for column in LIVE_COLUMNS]


class _Rows:
    """What HostMembers is to a Host, of vectors."""

    key = "live"

    def __init__(self, vectors: Sequence[Mapping[str, Any]]) -> None:
        rows = 2 * len(vectors)
        spans = np.full(rows, _GAP_NS, dtype=np.int64)
        spans[1::2] = [v["ns"] for v in vectors]
        grown = np.zeros((rows, len(_COLUMNS)), dtype=np.int64)
        known = np.zeros((rows, len(_COLUMNS)), dtype=bool)
        for i, vector in enumerate(vectors):
            for j, value in enumerate(vector["grown"]):
                if value is not None:
                    grown[2 * i + 1, j] = value
                    known[2 * i : 2 * i + 2, j] = True
        values = np.cumsum(grown, axis=0)
        for j, (source, _device, _field) in enumerate(LIVE_COLUMNS):
            if source in LIVE_LEVELS:
                values[:, j] = grown[:, j]
        values[~known] = MISSING
        self._arrays = {
            "tick": np.arange(rows, dtype=np.int64),
            "timestamp_ns": np.cumsum(spans),
            "values": values,
        }
        self.columns = _COLUMNS

    def array(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    def meta(self) -> dict[str, Any]:
        return {"topology": _TOPOLOGY}

    def of_columns(self, name: str) -> list[str]:
        if name == "kinds":
            return ["gauge" if c[0] in LIVE_LEVELS else "counter" for c in LIVE_COLUMNS]
        return [_UNITS.get(source, "") for source, _device, _field in LIVE_COLUMNS]


class _LiveHost(Host):
    """All vectors as one host, which has no statuses: what is not known is missing."""

    @property
    def statuses(self) -> dict[str, npt.NDArray[np.int64]]:
        return {}


def live_figures(vectors: Sequence[Mapping[str, Any]]) -> dict[str, Float64]:
    """Return {figure: (hosts,)} of vectors in their order, NaN where unknown."""
    if not vectors:
        return {}
    derived = derive(_LiveHost(cast(HostMembers, _Rows(vectors))))
    return {f.name: derived.series[f.name].values[::2] for f in FIGURES if f.name in derived.series}
