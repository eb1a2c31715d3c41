"""TCP, UDP and IP: retransmits, timeouts, drops, bytes, from tcp.

The files are /proc/net/snmp, netstat and snmp6 (networking/snmp_counter.rst).
"""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.figure import NO_OUTLIERS, Chart, Figure, Group, NoChart, Scope
from mpi_collector.store.host import Float64

TCP = Subject(order=80, optional=True, scope=Scope.NETWORK)
RETRANSMITS = TCP.figure(
    "tcp_retransmit_percent",
    "TCP retransmits",
    "%",
    "mean",
    "segments retransmitted, as a share of all segments sent; IPv4 and IPv6",
    chart=Chart(order=95),
    undefined_when_idle=True,
)


@TCP.computed_by
def derive_tcp(host: Deriver) -> None:
    """Add the share of retransmitted segments."""
    retransmitted = _sum(host, "Tcp.RetransSegs")
    sent = _sum(host, "Tcp.OutSegs")
    if retransmitted is not None and sent is not None:
        host.add_percent(RETRANSMITS, retransmitted, sent)


DETAILS = Subject(order=150, group=Group.KERNEL, optional=True)
OUT_OF_ORDER = DETAILS.figure(
    "tcp_out_of_order_percent",
    "TCP out of order",
    "%",
    "mean",
    "segments received out of order, as a share of all segments received",
    chart=NoChart("retransmits are drawn"),
    undefined_when_idle=True,
    hidden_when_zero=True,
)


def _rate(name: str, label: str, doc: str) -> Figure:
    return DETAILS.figure(
        name,
        label,
        "1/s",
        "sum",
        doc,
        chart=NoChart("retransmits are drawn"),
        hidden_when_zero=True,
        outlier_floor=1.0,
    )


_RATES = {
    _rate("tcp_timeouts_per_s", "TCP timeouts", "retransmission timeouts"): ("TcpExt.TCPTimeouts",),
    _rate(
        "tcp_drops_per_s",
        "TCP drops",
        "segments that were received and dropped for want of room in a socket",
    ): (
        "TcpExt.TCPOFODrop",
        "TcpExt.TCPRcvQDrop",
        "TcpExt.TCPBacklogDrop",
        "TcpExt.TCPZeroWindowDrop",
    ),
    _rate(
        "tcp_listen_drops_per_s",
        "TCP connections refused",
        "connections dropped by listening sockets, because their queues were full or otherwise",
    ): ("TcpExt.ListenDrops",),
    _rate(
        "tcp_resets_per_s",
        "TCP resets",
        "established connections that were reset",
    ): ("Tcp.EstabResets",),
    _rate(
        "udp_drops_per_s",
        "UDP drops",
        "datagrams that were dropped because a buffer was full, of IPv4 and IPv6",
    ): ("Udp.RcvbufErrors", "Udp.SndbufErrors", "Udp6.RcvbufErrors", "Udp6.SndbufErrors"),
}
MARKED = DETAILS.figure(
    "ip_congestion_marked_percent",
    "ECN marks",
    "%",
    "mean",
    "packets received that a switch had marked as congested, of all that were received",
    chart=NoChart("retransmits are drawn"),
    undefined_when_idle=True,
    hidden_when_zero=True,
)
CONNECTIONS = DETAILS.figure(
    "tcp_connections",
    "TCP connections",
    "connections",
    "sum",
    "connections that were established at the end of the interval",
    chart=NoChart("changes at phases alone"),
    outlier_floor=NO_OUTLIERS,
)


def _bytes(direction: str, label: str, done: str) -> Figure:
    return DETAILS.figure(
        f"ip_{direction}_bytes_per_s",
        label,
        "bytes/s",
        "sum",
        f"{done} over IPv4 and IPv6, lo included; not RDMA",
        chart=NoChart("bytes of the interfaces are drawn"),
    )


_BYTES = {
    _bytes("rx", "IP in", "received"): ("IpExt.InOctets", "Ip6.InOctets"),
    _bytes("tx", "IP out", "sent"): ("IpExt.OutOctets", "Ip6.OutOctets"),
}


@DETAILS.computed_by
def derive_details(host: Deriver) -> None:
    """Add what says why segments were retransmitted, and bytes of both versions of IP."""
    for figure, names in (*_RATES.items(), *_BYTES.items()):
        host.add_rate(figure, _sum(host, *names))
    late = _sum(host, "TcpExt.TCPOFOQueue")
    received = _sum(host, "Tcp.InSegs")
    if late is not None and received is not None:
        host.add_percent(OUT_OF_ORDER, late, received)
    marked = _sum(host, "IpExt.InCEPkts", "Ip6.InCEPkts")
    plain = _sum(host, "IpExt.InNoECTPkts", "Ip6.InNoECTPkts")
    if marked is not None and plain is not None:
        host.add_percent(MARKED, marked, marked + plain)
    if "tcp.Tcp.CurrEstab" in host.columns:
        host.add(CONNECTIONS, host.level("tcp.Tcp.CurrEstab"))


def _sum(host: Deriver, *names: str) -> Float64 | None:
    """Return the growth of the columns that there are, (intervals,); None without any."""
    columns = [f"tcp.{name}" for name in names]
    return known_sum([host.growth(column) for column in columns if column in host.columns])
