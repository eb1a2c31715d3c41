"""/sys/class/infiniband: ports of InfiniBand, RoCE and Omni-Path.

Documentation/ABI/stable/sysfs-class-infiniband; counters in hw_counters are the driver's.
"""

from ..read.kernel_file import list_names
from ..row.layout import Field
from ..row.scan import is_number
from .base import FileGroupSource, labelled

_BASE = "sys/class/infiniband"
_PORTS = "ports"
_CARDS = "cards"  #: devices for which the driver counts all ports together
_WORD_BYTES = 4  #: port_{xmit,rcv}_data count words of four bytes
_KNOWN = {
    "unicast_xmit_packets": ("packets", "unicast packets sent"),
    "unicast_rcv_packets": ("packets", "unicast packets received"),
    "multicast_xmit_packets": ("packets", "multicast packets sent"),
    "multicast_rcv_packets": ("packets", "multicast packets received"),
    "port_xmit_data": ("bytes", "bytes sent"),
    "port_rcv_data": ("bytes", "bytes received"),
    "port_xmit_packets": ("packets", "packets sent"),
    "port_rcv_packets": ("packets", "packets received"),
    "port_xmit_wait": ("ticks", "time with data to send but no credits: congestion"),
    "port_xmit_discards": ("packets", "packets not sent: the port was down or congested"),
    "port_rcv_errors": ("packets", "packets received with an error"),
    "symbol_error": ("errors", "minor link errors"),
    "link_downed": ("events", "times link error recovery failed and the link went down"),
    "link_error_recovery": ("events", "times link error recovery succeeded"),
    "local_link_integrity_errors": ("errors", "times the threshold of local link errors was met"),
    "VL15_dropped": ("packets", "management packets dropped for want of buffers"),
    "excessive_buffer_overrun_errors": ("errors", "buffer overruns that persisted"),
    "port_rcv_remote_physical_errors": ("packets", "packets received that were marked bad (EBP)"),
    "port_rcv_switch_relay_errors": ("packets", "packets received that could not be forwarded"),
    "port_rcv_constraint_errors": ("packets", "packets received that partition rules rejected"),
    "port_xmit_constraint_errors": ("packets", "packets to send that partition rules rejected"),
    "out_of_sequence": ("packets", "packets received out of order (RoCE)"),
    "out_of_buffer": ("packets", "packets dropped for want of a receive buffer (RoCE)"),
    "packet_seq_err": ("packets", "NAKs for sequence errors received (RoCE)"),
    "local_ack_timeout_err": ("timeouts", "acknowledgement timeouts of the sender (RoCE)"),
    "rnr_nak_retry_err": ("packets", "receiver-not-ready NAKs received (RoCE)"),
    "np_cnp_sent": ("packets", "congestion notification packets (CNPs) sent (RoCE)"),
    "np_ecn_marked_roce_packets": ("packets", "packets received with the ECN mark (RoCE)"),
    "rp_cnp_handled": ("packets", "CNPs handled: the sender was throttled (RoCE)"),
    "rx_icrc_encapsulated": ("packets", "packets received with a checksum error (RoCE)"),
    "roce_adp_retrans": ("packets", "adaptive retransmits (RoCE)"),
    "duplicate_request": ("requests", "requests received twice (RoCE)"),
    "rx_bytes": ("bytes", "bytes received (EFA, bnxt_re, mana)"),
    "tx_bytes": ("bytes", "bytes sent (EFA, bnxt_re, mana)"),
    "rx_pkts": ("packets", "packets received (EFA, bnxt_re)"),
    "tx_pkts": ("packets", "packets sent (EFA, bnxt_re)"),
    "rx_drops": ("packets", "packets received and dropped (EFA)"),
    "rdma_read_bytes": ("bytes", "bytes read from other hosts (EFA)"),
    "rdma_write_bytes": ("bytes", "bytes written to other hosts (EFA)"),
    "rx_bytes_cnt": ("bytes", "bytes received (erdma)"),
    "tx_bytes_cnt": ("bytes", "bytes sent (erdma)"),
    "ip4InOctets": ("bytes", "bytes received over IPv4 (irdma, i40iw)"),
    "ip4OutOctets": ("bytes", "bytes sent over IPv4 (irdma, i40iw)"),
    "ip6InOctets": ("bytes", "bytes received over IPv6 (irdma, i40iw)"),
    "ip6OutOctets": ("bytes", "bytes sent over IPv6 (irdma, i40iw)"),
}
_UNUSED = ("lifespan",)  #: a setting, not a counter
_LEVELS = ("active_", "watermark_", "db_fifo_register")  #: names that begin so are no counters
#: bits of the files in ``counters`` of InfiniBand: they stop at their greatest value. Cards that
#: have wider ones show them under the same names, and pass this value without stopping.
_BITS = {
    b"port_xmit_data": 32,
    b"port_rcv_data": 32,
    b"port_xmit_packets": 32,
    b"port_rcv_packets": 32,
    b"port_xmit_wait": 32,
    b"symbol_error": 16,
    b"port_rcv_errors": 16,
    b"port_rcv_remote_physical_errors": 16,
    b"port_rcv_switch_relay_errors": 16,
    b"port_xmit_discards": 16,
    b"VL15_dropped": 16,
    b"link_error_recovery": 8,
    b"link_downed": 8,
    b"port_xmit_constraint_errors": 8,
    b"port_rcv_constraint_errors": 8,
    b"local_link_integrity_errors": 4,
    b"excessive_buffer_overrun_errors": 4,
}
_WIDE = b"hfi1"  #: Omni-Path: all of its counters have 64 bits
#: file in counters_ext -> field
_EXT = {
    "port_xmit_data_64": "port_xmit_data",
    "port_rcv_data_64": "port_rcv_data",
    "port_xmit_packets_64": "port_xmit_packets",
    "port_rcv_packets_64": "port_rcv_packets",
    "port_unicast_xmit_packets": "unicast_xmit_packets",
    "port_unicast_rcv_packets": "unicast_rcv_packets",
    "port_multicast_xmit_packets": "multicast_xmit_packets",
    "port_multicast_rcv_packets": "multicast_rcv_packets",
}


class Infiniband(FileGroupSource):
    """A device is a port, ``mlx5_0/1``, or a card whose driver counts for all ports, ``irdma0``.

    Data words are converted to bytes. Older kernels have 64-bit counters in a directory of their
    own, ``counters_ext``; they are read in place of those of 32 bits. A counter that has stopped at
    its greatest value is missing. Reading asks the firmware of the card, which may hang.
    """

    name = "infiniband"
    order = 20
    in_one_piece = True
    kernel_file = "/sys/class/infiniband/*/ports/*/{counters,counters_ext,hw_counters}/*"
    doc = "InfiniBand, RoCE and Omni-Path ports: bytes, packets, congestion, errors"
    may_block = True
    relist_s = 60
    later_bytes = 16384
    budget_us = 20000
    fields = tuple(Field(name, unit, "counter", doc) for name, (unit, doc) in _KNOWN.items())

    def files(self, root: str) -> "list[tuple[str, str]]":
        out: "dict[str, str]" = {}
        for card in _names(root, _BASE):
            at = _BASE + "/" + card
            places = [(card, at)]
            places += [
                ("%s/%s" % (card, port), "%s/ports/%s" % (at, port))
                for port in _names(root, at + "/ports")
            ]
            for device, place in places:
                for folder in ("counters", "counters_ext", "hw_counters"):
                    for name in _names(root, place + "/" + folder):
                        if name not in _UNUSED:
                            label = "%s:%s" % (device, _EXT.get(name, name))
                            out[label] = "%s/%s/%s" % (place, folder, name)
        return list(out.items())

    def field(self, table: str, name: str) -> Field:
        if name.startswith(_LEVELS):
            return Field(name, "", "gauge", "a level or state that the driver shows")
        unit, doc = _KNOWN.get(name, ("", "a counter of the driver"))
        return Field(name, unit, "counter", doc)

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        return {_PORTS: tuple(_KNOWN)}

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        return {_PORTS: tuple(_KNOWN), _CARDS: tuple(_KNOWN)}

    def table_of(self, line: bytes) -> str:
        return _PORTS if b"/" in line.partition(b" ")[0] else _CARDS

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for label, lines in labelled(raw):
            port, _, name = label.partition(b":")
            value = lines[0].strip() if lines else b""
            if is_number(value) and name and not _has_stopped(port, name, int(value)):
                unit = _WORD_BYTES if name in (b"port_xmit_data", b"port_rcv_data") else 1
                out.append(b"%s %s %d" % (port, name, int(value) * unit))
        return b"\n".join(out)


def _has_stopped(port: bytes, name: bytes, value: int) -> bool:
    """Return whether a counter of few bits shows its greatest value."""
    return name in _BITS and value == (1 << _BITS[name]) - 1 and not port.startswith(_WIDE)


def _names(root: str, path: str) -> "list[str]":
    """Return the names in a directory that a label can have."""
    return [n for n in list_names(root, path) if " " not in n and ":" not in n]
