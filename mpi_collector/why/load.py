"""Opening a recording that can say what limited it: ``mpi_collector.load``."""

from __future__ import annotations

from pathlib import Path

from mpi_collector.store import load as store
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why


def load(path: str | Path) -> Recording:
    """Open a recording, which has ``why``; see ``store.load`` for what ``path`` may be."""
    recording = store.load(path)
    recording.analyse = why
    return recording
