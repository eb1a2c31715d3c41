"""Recordings as pandas frames; pandas is not among our dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpi_collector.node.row.layout import MISSING

if TYPE_CHECKING:
    from mpi_collector.store.recording import Host, Recording


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as e:
        raise ImportError("to_pandas needs pandas: pip install 'mpi-collector[analysis]'") from e
    return pandas


def host_frame(host: Host, tidy: bool = False) -> Any:
    """Wide: a row per sample, indexed by its UTC time, ``tick`` and a nullable integer column each. Tidy: time, tick,
    column, value, without what is missing. Counters above 2^63 are unsigned."""
    pd = _pandas()
    index = pd.DatetimeIndex(pd.to_datetime(host.timestamp_ns, utc=True), name="time")
    values = host.values
    columns: dict[str, Any] = {"tick": pd.array(host.tick, dtype="Int64")}
    for i, name in enumerate(host.columns):
        raw = values[:, i]
        missing = raw == MISSING
        if (raw[~missing] < 0).any():
            columns[name] = pd.arrays.IntegerArray(raw.view(np.uint64).copy(), missing)
        else:
            columns[name] = pd.arrays.IntegerArray(raw.copy(), missing)
    frame = pd.DataFrame(columns, index=index)
    if not tidy:
        return frame
    return (
        frame.reset_index()
        .melt(["time", "tick"], var_name="column", value_name="value")
        .dropna()
        .reset_index(drop=True)
    )


def recording_frame(recording: Recording, tidy: bool = False) -> Any:
    """All hosts below each other: indexed by host and time, or with a column ``host`` when tidy."""
    pd = _pandas()
    frames = {}
    for key, host in recording.items():
        frames[key] = host_frame(host, tidy)
        host.release()
    if tidy:
        parts = [frame.assign(host=key)[["host", *frame.columns]] for key, frame in frames.items()]
        return (
            pd.concat(parts, ignore_index=True)
            if parts
            else pd.DataFrame(columns=["host", "time", "tick", "column", "value"])
        )
    return pd.concat(frames, names=["host", "time"]) if frames else pd.DataFrame()
