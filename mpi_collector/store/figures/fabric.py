"""Fabrics: bytes received and sent by InfiniBand, RoCE, EFA, Omni-Path and Slingshot ports."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject, known_sum
from mpi_collector.store.figures.figure import DRAWN, Chart, Figure, NoChart
from mpi_collector.store.host import Float64

#: columns of an RDMA port that have its bytes, one of these or the sum of several: drivers that do
#: not fill the standard counters have counters of their own
_RX = (("port_rcv_data",), ("rx_bytes",), ("rx_bytes_cnt",), ("ip4InOctets", "ip6InOctets"))
_TX = (("port_xmit_data",), ("tx_bytes",), ("tx_bytes_cnt",), ("ip4OutOctets", "ip6OutOctets"))

FABRIC = Subject(
    order=70,
    optional=True,
    lists=(
        DeviceList(
            "fabric",
            "infiniband",
            lambda host: host.all_devices("infiniband"),
            lambda host: dict.fromkeys(_shown_at_ports(host), "its ports are counted"),
        ),
        DeviceList("fabric", "slingshot", lambda host: host.all_devices("slingshot")),
    ),
)
RX_BYTES = FABRIC.figure(
    "fabric_rx_bytes_per_s",
    "fabric in",
    "bytes/s",
    "sum",
    "received by InfiniBand, RoCE, EFA, Omni-Path and Slingshot",
)
TX_BYTES = FABRIC.figure(
    "fabric_tx_bytes_per_s",
    "fabric out",
    "bytes/s",
    "sum",
    "sent by InfiniBand, RoCE, EFA, Omni-Path and Slingshot",
)


def _events(name: str, label: str, doc: str, chart: Chart | NoChart) -> Figure:
    return FABRIC.figure(
        f"fabric_{name}_per_s",
        label,
        "1/s",
        "sum",
        doc,
        chart=chart,
        hidden_when_zero=True,
        outlier_floor=1.0,
    )


#: figure -> columns of RDMA ports that it adds up, those that there are
_EVENTS = {
    _events(
        "errors",
        "fabric errors",
        "link errors and recoveries, packets with errors, discarded, or without a receive buffer",
        DRAWN,
    ): (
        "symbol_error",
        "link_downed",
        "link_error_recovery",
        "local_link_integrity_errors",
        "excessive_buffer_overrun_errors",
        "port_rcv_errors",
        "port_xmit_discards",
        "rx_icrc_encapsulated",
        "out_of_buffer",
        "rx_drops",
    ),
    _events(
        "retransmits",
        "fabric retransmits",
        "sequence errors, acknowledgement timeouts and receivers that were not ready (RoCE)",
        NoChart("errors and congestion are drawn"),
    ): ("packet_seq_err", "local_ack_timeout_err", "rnr_nak_retry_err", "roce_adp_retrans"),
    _events(
        "congestion",
        "fabric congestion",
        "packets received with the ECN mark, and congestion notifications that throttled the "
        "sender (RoCE)",
        DRAWN,
    ): ("np_ecn_marked_roce_packets", "rp_cnp_handled"),
}


@FABRIC.computed_by
def derive_fabric(host: Deriver) -> None:
    """Add the figures of all ports."""
    _add(host, RX_BYTES, _RX, "hni_sts_rx_ok_octets")
    _add(host, TX_BYTES, _TX, "hni_sts_tx_ok_octets")
    left_out = set() if host.device else set(_shown_at_ports(host))
    for figure, columns in _EVENTS.items():
        growths: list[Float64] = []
        for column in columns:
            ports = [d for d in host.devices("infiniband", column) if d not in left_out]
            growths += host.growths("infiniband", ports, column)
        host.add_rate(figure, known_sum(growths))


def _add(
    host: Deriver, figure: Figure, columns: tuple[tuple[str, ...], ...], of_slingshot: str
) -> None:
    """``columns``: those of an RDMA port that may have the bytes, the best first."""
    ports = dict(_rdma(host, columns))
    cards_of_ports = {_card(port) for port in ports if "/" in port}
    growths = [g for device, g in ports.items() if device not in cards_of_ports]
    growths += host.growths("slingshot", host.devices("slingshot", of_slingshot), of_slingshot)
    host.add_rate(figure, known_sum(growths))


def _card(port: str) -> str:
    return port.partition("/")[0]


def _shown_at_ports(host: Deriver) -> list[str]:
    """Return the cards whose counters are those of their ports, as irdma shows them."""
    devices = host.all_devices("infiniband")
    of_ports = {_card(device) for device in devices if "/" in device}
    return [device for device in devices if device in of_ports]


def _rdma(host: Deriver, columns: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, Float64]]:
    """Yield (port or card, growth of its bytes) for each that has a known value."""
    names = {name for alternative in columns for name in alternative}
    devices = dict.fromkeys(d for name in sorted(names) for d in host.devices("infiniband", name))
    for device in devices:
        found = [known_sum(list(_growths(host, device, some))) for some in columns]
        known = [growth for growth in found if growth is not None and np.isfinite(growth).any()]
        moved = [growth for growth in known if np.nansum(growth) > 0]
        if known:
            yield device, (moved or known)[0]


def _growths(host: Deriver, device: str, names: tuple[str, ...]) -> Iterator[Float64]:
    for name in names:
        yield from host.growths("infiniband", [device], name)
