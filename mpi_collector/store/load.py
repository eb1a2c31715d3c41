"""Opening a recording by its path: ``mpi_collector.load``."""

from __future__ import annotations

from pathlib import Path

from mpi_collector.errors import RecordingError
from mpi_collector.store.recording import Recording
from mpi_collector.store.suite_recording import load_suite


def load(path: str | Path) -> Recording:
    """Open a recording.

    ``path``: an ``.npz`` file, the same up to ``_timeseries.npz``, a ``*_timeseries.json`` (the
    suite's or ours), or a results directory: its newest ``*_timeseries.npz``, or its newest
    ``*_timeseries.json`` where there is no npz. RecordingError when there is none or it is damaged.
    """
    p = Path(path)
    if p.is_dir():
        p = _newest(p)
    elif not p.exists() and (whole := p.with_name(f"{p.name}_timeseries.npz")).exists():
        p = whole
    return load_suite(p) if p.suffix == ".json" else Recording(p)


def _newest(directory: Path) -> Path:
    """The newest time series of a results directory, by the datetime in its name."""
    for suffix in ("npz", "json"):
        if found := list(directory.glob(f"*_timeseries.{suffix}")):
            return max(found, key=lambda f: f.name.split("_")[-3:])
    raise RecordingError(f"{directory}: no *_timeseries.npz in this directory")
