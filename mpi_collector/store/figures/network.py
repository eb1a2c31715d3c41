"""Network interfaces: bytes received and sent, from netdev."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject
from mpi_collector.store.figures.figure import Chart, Column, NoChart, Scope

RDMA_NOTE = (
    "RDMA traffic (InfiniBand verbs, RoCE, Slingshot) is not counted in "
    "/proc/net/dev, and so not in the network figures"
)

NETWORK = Subject(
    order=20,
    table_order=45,
    scope=Scope.NETWORK,
    lists=(
        DeviceList(
            "interface",
            "netdev",
            lambda host: host.devices("netdev", "rx_bytes"),
            lambda host: host.derived.net.left_out,
        ),
    ),
)
RX_BYTES = NETWORK.figure(
    "net_rx_bytes_per_s",
    "network in",
    "bytes/s",
    "sum",
    "received by the counted interfaces; not RDMA",
    chart=Chart(heat=True),
    columns=(Column("net/in"), Column("peak", "peak")),
)
TX_BYTES = NETWORK.figure(
    "net_tx_bytes_per_s",
    "network out",
    "bytes/s",
    "sum",
    "sent by the counted interfaces; not RDMA",
    chart=Chart(heat=True),
    columns=(Column("net/out"), Column("peak", "peak")),
)
PACKETS = NETWORK.figure(
    "net_packets_per_s",
    "network packets",
    "1/s",
    "sum",
    "packets received and sent by the counted interfaces",
    chart=NoChart("their bytes are drawn"),
    hidden_when_zero=True,
    optional=True,
    outlier_floor=10_000.0,
)
DROPS = NETWORK.figure(
    "net_drops_per_s",
    "network drops",
    "1/s",
    "sum",
    "packets that the counted interfaces dropped, received and to be sent, missed ones included",
    hidden_when_zero=True,
    optional=True,
    outlier_floor=1.0,
)
ERRORS = NETWORK.figure(
    "net_errors_per_s",
    "network errors",
    "1/s",
    "sum",
    "packets with errors, received and to be sent, at the counted interfaces",
    chart=NoChart("drops are drawn"),
    hidden_when_zero=True,
    optional=True,
    outlier_floor=1.0,
)
_BOTH_WAYS = {PACKETS: "packets", DROPS: "dropped", ERRORS: "errors"}


@NETWORK.computed_by
def derive_network(host: Deriver) -> None:
    """Add the figures, summed over the interfaces that count in totals."""
    devices = host.derived.net.devices
    host.add_rate(RX_BYTES, host.total("netdev", devices, "rx_bytes"))
    host.add_rate(TX_BYTES, host.total("netdev", devices, "tx_bytes"))
    for figure, what in _BOTH_WAYS.items():
        ways = [host.total("netdev", devices, f"{way}_{what}") for way in ("rx", "tx")]
        known = [way for way in ways if way is not None]
        if len(known) == len(ways):
            host.add_rate(figure, known[0] + known[1])
