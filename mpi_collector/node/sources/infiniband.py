"""/sys/class/infiniband: ports of InfiniBand, RoCE and Omni-Path (Documentation/ABI/stable/sysfs-class-infiniband)."""

import os

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_WORDS = 4  #: port_{xmit,rcv}_data count words of four bytes
_KNOWN = {
    "unicast_xmit_packets": ("packets", "packets sent to one"), "unicast_rcv_packets": ("packets", "packets received, to one"),
    "multicast_xmit_packets": ("packets", "packets sent to many"),
    "multicast_rcv_packets": ("packets", "packets received, to many"),
    "port_xmit_data": ("bytes", "bytes sent"), "port_rcv_data": ("bytes", "bytes received"),
    "port_xmit_packets": ("packets", "packets sent"), "port_rcv_packets": ("packets", "packets received"),
    "port_xmit_wait": ("ticks", "time with data and without credits to send it: congestion"),
    "port_xmit_discards": ("packets", "not sent: the port was down or congested"),
    "port_rcv_errors": ("packets", "received in error"), "symbol_error": ("errors", "minor link errors"),
    "link_downed": ("events", "times the link went down"), "link_error_recovery": ("events", "times the link recovered"),
    "local_link_integrity_errors": ("errors", "local link integrity"), "VL15_dropped": ("packets", "management packets dropped"),
    "excessive_buffer_overrun_errors": ("errors", "buffer overruns"),
    "port_rcv_remote_physical_errors": ("packets", "received with the end-bad mark"),
    "port_rcv_switch_relay_errors": ("packets", "not relayed"), "port_rcv_constraint_errors": ("packets", "not let in"),
    "port_xmit_constraint_errors": ("packets", "not let out"),
    "out_of_sequence": ("packets", "received out of order (RoCE)"), "out_of_buffer": ("packets", "no receive buffer (RoCE)"),
    "packet_seq_err": ("packets", "NAK of sequence errors received (RoCE)"),
    "local_ack_timeout_err": ("timeouts", "acknowledgements that did not come (RoCE)"),
    "rnr_nak_retry_err": ("packets", "receiver not ready (RoCE)"), "np_cnp_sent": ("packets", "congestion notices sent (RoCE)"),
    "np_ecn_marked_roce_packets": ("packets", "received with the congestion mark (RoCE)"),
    "rp_cnp_handled": ("packets", "congestion notices obeyed (RoCE)"),
    "rx_icrc_encapsulated": ("packets", "checksum errors (RoCE)"),
    "roce_adp_retrans": ("packets", "adaptive retransmissions (RoCE)"),
    "duplicate_request": ("requests", "requests received twice (RoCE)"),
}  # fmt: skip
_UNUSED = ("lifespan",)  #: a setting, not a counter
#: names in counters_ext, and what they are called since
_EXT = {"port_%s%s" % (n, s): o + n for s, o, names in (
    ("_64", "port_", ("xmit_data", "rcv_data", "xmit_packets", "rcv_packets")),
    ("", "", ("unicast_xmit_packets", "unicast_rcv_packets", "multicast_xmit_packets", "multicast_rcv_packets")),
) for n in names}  # fmt: skip


class Infiniband(Source):
    """A device is a port, ``mlx5_0/1``, or a card where the driver counts for all its ports, ``irdma0``.

    Data words are converted to bytes. Older kernels have 64-bit counters in a folder of their own, ``counters_ext``; they are
    read instead of those of 32 bits, which stop at their greatest value. Reading asks the card's firmware, which may hang.
    """

    name = "infiniband"
    order = 20
    kernel_file = "/sys/class/infiniband/*/ports/*/{counters,counters_ext,hw_counters}/*"
    doc = "InfiniBand, RoCE and Omni-Path ports: bytes, packets, congestion, errors"
    several = True
    relist_every = 256
    may_block = True
    budget_us = 20000
    fields = tuple(Field(n, u, "counter", d) for n, (u, d) in _KNOWN.items())

    def files(self, root: str) -> list:
        out: dict = {}
        base = "sys/class/infiniband"
        for device in _names(root, base):
            at = base + "/" + device
            places = [(device, at)] + [
                ("%s/%s" % (device, p), "%s/ports/%s" % (at, p))
                for p in _names(root, at + "/ports")
            ]
            for place, at in places:
                for folder in ("counters", "counters_ext", "hw_counters"):
                    for name in _names(root, at + "/" + folder):
                        if name not in _UNUSED:
                            out["%s:%s" % (place, _EXT.get(name, name))] = "%s/%s/%s" % (
                                at,
                                folder,
                                name,
                            )
        return list(out.items())

    def field(self, table: str, name: str) -> "Field":
        unit, doc = _KNOWN.get(name, ("", "a counter of the driver's"))
        return Field(name, unit, "counter", doc)

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for label, lines in labelled(raw):
            port, _, name = label.partition(b":")
            value = lines[0].strip() if lines else b""
            if is_number(value) and name:
                words = _WORDS if name in (b"port_xmit_data", b"port_rcv_data") else 1
                out.append(b"%s %s %d" % (port, name, int(value) * words))
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems


def _names(root: str, path: str) -> list:
    try:
        return sorted(
            n for n in os.listdir(os.path.join(root, path)) if " " not in n and ":" not in n
        )
    except OSError:
        return []
