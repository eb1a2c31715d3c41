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

    def release(self) -> None: ...


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as e:
        raise ImportError("to_pandas needs pandas: pip install 'mpi-collector[analysis]'") from e
    return pandas


def host_frame(host: HostRows, tidy: bool = False) -> pandas.DataFrame:
    """Return the rows of a host.

    Wide: a row per sample, indexed by its UTC ``time``; ``tick`` and a nullable integer column per
    recorded column. Tidy: ``time``, ``tick``, ``column`` and ``value``, without missing values.
    Counters above 2^63 are unsigned.
    """
    pd = _pandas()
    index = pd.DatetimeIndex(pd.to_datetime(host.timestamp_ns, utc=True), name="time")
    values = host.values
    columns: dict[str, Any] = {"tick": pd.array(host.tick, dtype="Int64")}
    for i, name in enumerate(host.columns):
        raw = values[:, i]
        missing = raw == MISSING
        unsigned = bool((raw[~missing] < 0).any())
        stored = raw.view(np.uint64) if unsigned else raw
        columns[name] = pd.arrays.IntegerArray(stored.copy(), missing)
    frame = pd.DataFrame(columns, index=index)
    if not tidy:
        return frame
    melted = frame.reset_index().melt(["time", "tick"], var_name="column", value_name="value")
    return melted.dropna().reset_index(drop=True)


def recording_frame(recording: Mapping[str, HostRows], tidy: bool = False) -> pandas.DataFrame:
    """Return all hosts below each other: indexed by ``host`` and ``time``.

    Tidy: with a column ``host`` in place of the index.
    """
    pd = _pandas()
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
