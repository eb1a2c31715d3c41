"""Lustre clients: bytes read and written by system calls, from lustre (llite statistics)."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject
from mpi_collector.store.figures.figure import Figure


def _mounts(host: Deriver, column: str = "read_bytes_sum") -> list[str]:
    return [name for name in host.devices("lustre", column) if name.startswith("llite/")]


LUSTRE = Subject(order=60, optional=True, lists=(DeviceList("mount", "lustre", _mounts),))
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
    host.add_rate(figure, host.total("lustre", _mounts(host, column), column))
