"""HPE Slingshot: the telemetry of Cassini network cards, /sys/class/cxi/*/device/telemetry.

The driver has some 1,700 counters, each a file ``VALUE@SECONDS.NANOSECONDS``; those of HPE's guide to the Cassini performance
counters that tell traffic, congestion and errors are read. What is counted per traffic class (``NAME_0`` to ``NAME_7``) is
summed. Counters have 56 bits. State and speed of the link are words: ``up``, ``BS_200G``.
"""

import os
import re

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_BASE = "sys/class/cxi"
_CLASSES = 8
_ONE = {
    "hni_sts_rx_ok_octets": ("bytes", "bytes received"),
    "hni_sts_tx_ok_octets": ("bytes", "bytes sent"),
    "hni_sts_rx_bad_octets": ("bytes", "bytes received in bad frames"),
    "hni_sts_tx_bad_octets": ("bytes", "bytes sent in bad frames"),
    "hni_pcs_good_cw": ("codewords", "received without an error"),
    "hni_pcs_corrected_cw": ("codewords", "received with an error that could be corrected"),
    "hni_pcs_uncorrected_cw": ("codewords", "received with an error that could not be corrected"),
    "hni_llr_rx_replay_event": ("events", "link level replays at the receiver"),
    "hni_llr_tx_replay_event": ("events", "link level replays at the sender"),
    "hni_rx_paused_std": ("cycles", "could not send, by standard pause frames"),
    "parbs_tarb_pi_posted_blocked_cnt": (
        "cycles",
        "writes to the host were blocked: PCIe or memory do not keep up",
    ),
    "parbs_tarb_pi_non_posted_blocked_cnt": ("cycles", "reads from the host were blocked"),
    "pct_no_trs_nacks": ("nacks", "refused by the target for want of resources"),
    "pct_retry_srb_requests": ("requests", "sent again"),
    "pct_spt_timeouts": ("timeouts", "requests whose answer did not come"),
    "pct_sct_timeouts": ("timeouts", "connections whose answer did not come"),
}
_SUMMED = {
    "hni_pkts_recv_by_tc": ("packets", "packets received, all traffic classes"),
    "hni_pkts_sent_by_tc": ("packets", "packets sent, all traffic classes"),
    "hni_rx_paused": ("cycles", "could not send since the other side paused us, sum of priorities"),
    "hni_tx_paused": ("cycles", "paused the other side, sum of priorities"),
    "hni_discard_cntr": ("packets", "discarded, all traffic classes"),
}
#: the first card has one port, its successor a folder for each
_LINK = {
    "link_up": ("port/link", "port/0/link/state"),
    "link_gbit_per_s": ("port/speed", "port/0/link/speed"),
}
_COUNTERS = dict(_ONE)
_COUNTERS.update(_SUMMED)


class Slingshot(Source):
    """A device is a card, ``cxi0``."""

    name = "slingshot"
    order = 21
    kernel_file = "/sys/class/cxi/*/device/telemetry/*"
    doc = "HPE Slingshot (Cassini) cards: bytes, packets, pauses, replays, errors, and the link"
    several = True
    relist_every = 256
    may_block = True
    budget_us = 20000
    fields = (
        *(Field(n, u, "counter", d) for n, (u, d) in _COUNTERS.items()),
        Field("link_up", "", "gauge", "1 when the link is up, else 0"),
        Field("link_gbit_per_s", "Gbit/s", "gauge", "speed of the link"),
    )

    def files(self, root: str) -> list:
        out: list = []
        try:
            cards = sorted(os.listdir(os.path.join(root, _BASE)))
        except OSError:
            return out
        for card in cards:
            at = "%s/%s/device/" % (_BASE, card)
            names = list(_ONE) + ["%s_%d" % (n, i) for n in _SUMMED for i in range(_CLASSES)]
            wanted = [(n, "telemetry/" + n) for n in names]
            wanted += [(name, path) for name, paths in _LINK.items() for path in paths]
            out += [
                ("%s:%s" % (card, n), at + p)
                for n, p in wanted
                if os.path.isfile(os.path.join(root, at, p))
            ]
        return out

    def prepare(self, raw: bytes) -> bytes:
        values: dict = {}
        for label, lines in labelled(raw):
            card, _, name = label.partition(b":")
            word = lines[0].partition(b"@")[0].strip() if lines else b""
            value: object = None
            if name == b"link_up":
                value = int(word == b"up") if word else None
            elif name == b"link_gbit_per_s":
                value = _gbit(word)
            else:
                value = int(word) if is_number(word) else None
                name = name if name.decode("ascii", "replace") in _ONE else name.rpartition(b"_")[0]
            if value is not None:
                values[card, name] = values.get((card, name), 0) + value  # type: ignore[operator]
        return b"\n".join(
            [b"%s %s %d" % (card, name, value) for (card, name), value in values.items()]
        )

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems


def _gbit(word: bytes) -> object:
    """200 of ``BS_200G``, ``bs200G``; nothing of a link that has no speed."""
    found = re.search(rb"(\d{1,4})G", word)
    return int(found.group(1)) if found else None
