"""HPE Slingshot: the telemetry of Cassini network cards, /sys/class/cxi/*/device/telemetry.

The driver has about 1,700 counters, each a file ``VALUE@SECONDS.NANOSECONDS``. Those that HPE's
guide to the Cassini performance counters names for traffic, congestion and errors are read. What is
counted per traffic class (``NAME_0`` to ``NAME_7``) is summed. Counters have 56 bits. State and
speed of the link are words: ``up``, ``BS_200G``.
"""

import os
import re

from ..read.kernel_file import list_names
from ..row.layout import Field
from ..row.scan import is_number
from .base import FileGroupSource, labelled

_BASE = "sys/class/cxi"
_CLASSES = 8
_ONE = {
    "hni_sts_rx_ok_octets": ("bytes", "bytes received"),
    "hni_sts_tx_ok_octets": ("bytes", "bytes sent"),
    "hni_sts_rx_bad_octets": ("bytes", "bytes received in bad frames"),
    "hni_sts_tx_bad_octets": ("bytes", "bytes sent in bad frames"),
    "hni_pcs_good_cw": ("codewords", "codewords received without an error"),
    "hni_pcs_corrected_cw": ("codewords", "codewords received with an error that was corrected"),
    "hni_pcs_uncorrected_cw": ("codewords", "codewords received with an uncorrectable error"),
    "hni_llr_rx_replay_event": ("events", "link-level replays at the receiver"),
    "hni_llr_tx_replay_event": ("events", "link-level replays at the sender"),
    "hni_rx_paused_std": ("cycles", "time sending was paused by standard pause frames"),
    "parbs_tarb_pi_posted_blocked_cnt": (
        "cycles",
        "time writes to the host were blocked: PCIe or memory is too slow",
    ),
    "parbs_tarb_pi_non_posted_blocked_cnt": ("cycles", "time reads from the host were blocked"),
    "pct_no_trs_nacks": ("nacks", "requests refused by the target for want of resources"),
    "pct_retry_srb_requests": ("requests", "requests retransmitted"),
    "pct_spt_timeouts": ("timeouts", "requests whose response did not arrive in time"),
    "pct_sct_timeouts": ("timeouts", "connections whose response did not arrive in time"),
}
_SUMMED = {
    "hni_pkts_recv_by_tc": ("packets", "packets received, all traffic classes"),
    "hni_pkts_sent_by_tc": ("packets", "packets sent, all traffic classes"),
    "hni_rx_paused": ("cycles", "time sending was paused by the peer, sum over priorities"),
    "hni_tx_paused": ("cycles", "time this side paused the peer, sum over priorities"),
    "hni_discard_cntr": ("packets", "packets discarded, all traffic classes"),
}
#: the first generation of the card has one port, the next one a directory for each
_LINK = {
    "link_up": ("port/link", "port/0/link/state"),
    "link_gbit_per_s": ("port/speed", "port/0/link/speed"),
}
_ONE_NAMES = frozenset(name.encode() for name in _ONE)
_COUNTERS = dict(_ONE)
_COUNTERS.update(_SUMMED)


class Slingshot(FileGroupSource):
    """A device is a card, ``cxi0``."""

    name = "slingshot"
    order = 21
    in_one_piece = True
    kernel_file = "/sys/class/cxi/*/device/telemetry/*"
    doc = "HPE Slingshot (Cassini) cards: bytes, packets, pauses, replays, errors, and the link"
    may_block = True
    fields_from_start = True
    relist_s = 60
    later_bytes = 16384
    budget_us = 20000
    fields = (
        *(Field(name, unit, "counter", doc) for name, (unit, doc) in _COUNTERS.items()),
        Field("link_up", "", "gauge", "1 when the link is up, else 0"),
        Field("link_gbit_per_s", "Gbit/s", "gauge", "speed of the link"),
    )

    def files(self, root: str) -> "list[tuple[str, str]]":
        names = list(_ONE) + ["%s_%d" % (n, i) for n in _SUMMED for i in range(_CLASSES)]
        wanted = [(n, "telemetry/" + n) for n in names]
        wanted += [(name, path) for name, paths in _LINK.items() for path in paths]
        out = []
        for card in list_names(root, _BASE):
            at = "%s/%s/device/" % (_BASE, card)
            out += [
                ("%s:%s" % (card, name), at + path)
                for name, path in wanted
                if os.path.isfile(os.path.join(root, at, path))
            ]
        return out

    def prepare(self, raw: bytes) -> bytes:
        values: "dict[tuple[bytes, bytes], int]" = {}
        for label, lines in labelled(raw):
            card, _, name = label.partition(b":")
            word = lines[0].partition(b"@")[0].strip() if lines else b""
            value: "int | None" = None
            if name == b"link_up":
                value = int(word == b"up") if word else None
            elif name == b"link_gbit_per_s":
                value = _gbit(word)
            else:
                value = int(word) if is_number(word) else None
                if name not in _ONE_NAMES:
                    name = name.rpartition(b"_")[0]  # without the number of the traffic class
            if value is not None:
                values[card, name] = values.get((card, name), 0) + value
        return b"\n".join(
            [b"%s %s %d" % (card, name, value) for (card, name), value in values.items()]
        )


def _gbit(word: bytes) -> "int | None":
    """Return 200 of ``BS_200G`` or ``bs200G``, None of a link without a speed."""
    found = re.search(rb"(\d{1,4})G", word)
    return int(found.group(1)) if found else None
