"""TCP: retransmitted segments, from tcp (/proc/net/snmp)."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import Chart

TCP = Subject(order=80, optional=True)
RETRANSMITS = TCP.figure(
    "tcp_retransmit_percent",
    "TCP retransmits",
    "%",
    "mean",
    "segments retransmitted, as a share of all segments sent",
    chart=Chart(order=95),
    undefined_when_idle=True,
)


@TCP.computed_by
def derive_tcp(host: Deriver) -> None:
    """Add the share of retransmitted segments."""
    retransmitted = host.total("tcp", ["Tcp"], "RetransSegs")
    sent = host.total("tcp", ["Tcp"], "OutSegs")
    if retransmitted is not None and sent is not None:
        host.add_percent(RETRANSMITS, retransmitted, sent)
