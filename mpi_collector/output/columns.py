"""The columns of several hosts, whose devices differ."""

from __future__ import annotations

from collections.abc import Sequence

from mpi_collector.store.recording import Recording


def columns_of(recording: Recording, hosts: Sequence[str]) -> list[str]:
    """Return the columns of all ``hosts``, in the order in which they first appear."""
    return list(dict.fromkeys(c for key in hosts for c in recording[key].columns))
