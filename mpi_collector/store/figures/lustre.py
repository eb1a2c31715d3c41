"""Lustre clients: bytes read and written by system calls, from lustre (llite statistics)."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import Figure

LUSTRE = Subject(order=60, optional=True)
READ_BYTES = LUSTRE.figure(
    "lustre_read_bytes_per_s",
    "Lustre read",
    "bytes/s",
    "sum",
    "read by system calls on Lustre mounts (llite)",
)
WRITE_BYTES = LUSTRE.figure(
    "lustre_write_bytes_per_s",
    "Lustre write",
    "bytes/s",
    "sum",
    "written by system calls on Lustre mounts (llite)",
)


@LUSTRE.computed_by
def derive_lustre(host: Deriver) -> None:
    """Add the figures of all mounts. Their targets (osc, mdc) move the same bytes once more."""
    _rate(host, READ_BYTES, "read_bytes_sum")
    _rate(host, WRITE_BYTES, "write_bytes_sum")


def _rate(host: Deriver, figure: Figure, column: str) -> None:
    mounts = [name for name in host.devices("lustre", column) if name.startswith("llite/")]
    host.add_rate(figure, host.total("lustre", mounts, column))
