"""Recordings as pandas frames. pandas is an optional dependency, imported when a frame is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING

if TYPE_CHECKING:
    import pandas


class HostRows(Protocol):
    """What a frame is made of; ``store.host.Host`` has it."""

    @property
    def timestamp_ns(self) -> npt.NDArray[np.int64]: ...

    @property
    def tick(self) -> npt.NDArray[np.int64]: ...

    @property
    def columns(self) -> list[str]: ...

    @property
    def values(self) -> npt.NDArray[np.int64]: ...

    def kind(self, name: str) -> str: ...

    def release(self) -> None: ...


def require_pandas() -> Any:
    """Return the module. ImportError says how to install it."""
    try:
        import pandas
    except ImportError as e:
        raise ImportError("to_pandas needs pandas: pip install 'mpi-collector[analysis]'") from e
    return pandas


def host_frame(host: HostRows, tidy: bool = False) -> pandas.DataFrame:
    """Return the rows of a host.

    Wide: a row per sample, indexed by its UTC ``time``; ``tick`` and a nullable integer column per
    recorded column. Tidy: ``time``, ``tick``, ``column`` and ``value``, without missing values.
    Counters are exact above 2^63, too: unsigned there, or Python's integers where the ``value``
    column of a tidy frame has negative gauges as well.
    """
    pd = require_pandas()
    index = pd.DatetimeIndex(pd.to_datetime(host.timestamp_ns, utc=True), name="time")
    values = host.values
    counts = np.array([host.kind(name) == "counter" for name in host.columns], dtype=bool)
    if tidy:
        return pd.DataFrame(_tidy(pd, host, index, counts))
    columns: dict[str, Any] = {"tick": pd.array(host.tick, dtype="Int64")}
    for i, name in enumerate(host.columns):
        raw = values[:, i]
        missing = raw == MISSING
        unsigned = bool(counts[i] and (raw[~missing] < 0).any())
        stored = raw.view(np.uint64) if unsigned else raw
        columns[name] = pd.arrays.IntegerArray(stored.copy(), missing)
    return pd.DataFrame(columns, index=index)


def _tidy(pd: Any, host: HostRows, index: Any, counts: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the columns of a tidy frame, column after column. ``counts``: (columns,) counters."""
    known = (host.values != MISSING).T
    column, row = np.nonzero(known)
    raw = host.values.T[known]
    above = (raw < 0) & counts[column]
    value: Any = pd.array(raw, dtype="Int64")
    if above.any() and not ((raw < 0) & ~above).any():
        value = pd.array(raw.view(np.uint64), dtype="UInt64")
    elif above.any():
        value = [v % 2**64 if big else v for v, big in zip(raw.tolist(), above.tolist())]
        value = pd.array(value, dtype=object)
    return {
        "time": index[row],
        "tick": pd.array(host.tick[row], dtype="Int64"),
        "column": np.array(host.columns, dtype=object)[column],
        "value": value,
    }


def recording_frame(recording: Mapping[str, HostRows], tidy: bool = False) -> pandas.DataFrame:
    """Return all hosts below each other: indexed by ``host`` and ``time``.

    Tidy: with a column ``host`` in place of the index.
    """
    pd = require_pandas()
    frames = {}
    for key, host in recording.items():
        frames[key] = host_frame(host, tidy)
        host.release()
    if not tidy:
        return pd.concat(frames, names=["host", "time"]) if frames else pd.DataFrame()
    if not frames:
        return pd.DataFrame(columns=["host", "time", "tick", "column", "value"])
    parts = [frame.assign(host=key)[["host", *frame.columns]] for key, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)
