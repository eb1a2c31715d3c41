"""Fabrics: bytes received and sent by InfiniBand, RoCE, Omni-Path and Slingshot ports."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.figure import Figure

FABRIC = Subject(order=70, optional=True)
RX_BYTES = FABRIC.figure(
    "fabric_rx_bytes_per_s",
    "fabric in",
    "bytes/s",
    "sum",
    "received by InfiniBand, RoCE, Omni-Path and Slingshot",
)
TX_BYTES = FABRIC.figure(
    "fabric_tx_bytes_per_s",
    "fabric out",
    "bytes/s",
    "sum",
    "sent by InfiniBand, RoCE, Omni-Path and Slingshot",
)


@FABRIC.computed_by
def derive_fabric(host: Deriver) -> None:
    """Add the figures of all ports."""
    _rate(host, RX_BYTES, {"infiniband": "port_rcv_data", "slingshot": "hni_sts_rx_ok_octets"})
    _rate(host, TX_BYTES, {"infiniband": "port_xmit_data", "slingshot": "hni_sts_tx_ok_octets"})


def _rate(host: Deriver, figure: Figure, columns: dict[str, str]) -> None:
    """``columns``: {source: its column}."""
    totals = [host.total(s, host.devices(s, column), column) for s, column in columns.items()]
    host.add_rate(figure, known_sum([t for t in totals if t is not None]))
