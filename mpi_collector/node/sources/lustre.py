"""Lustre client statistics: llite (file system calls), osc and mdc (RPCs), LNet, where this kernel shows them.

/proc/fs/lustre, /sys/fs/lustre and, in newer versions and for root only, /sys/kernel/debug/lustre (Lustre manual,
"Monitoring the file system"): where the module is there and its statistics are for root alone, the status is ``denied``. A
line is ``name N samples [unit] min max sum sumsq``; what cannot be differenced (least, most, squares, which wrap) is left.
LNet has one line of eleven numbers (lnet/lnet/router_proc.c), for all networks.
"""

import os
from itertools import groupby

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_ROOTS = ("proc/fs/lustre", "sys/kernel/debug/lustre", "sys/fs/lustre")
_KINDS = ("llite", "osc", "mdc")
_LNET_AT = ("proc/sys/lnet/stats", "sys/kernel/debug/lnet/stats")
_LNET = (("msgs_alloc", "messages", "gauge", "messages in being"), ("msgs_max", "messages", "gauge", "most there ever were"),
         ("errors", "errors", "counter", "errors"), ("send_count", "messages", "counter", "messages sent"),
         ("recv_count", "messages", "counter", "messages received"), ("route_count", "messages", "counter", "messages passed on"),
         ("drop_count", "messages", "counter", "messages dropped"), ("send_length", "bytes", "counter", "bytes sent"),
         ("recv_length", "bytes", "counter", "bytes received"), ("route_length", "bytes", "counter", "bytes passed on"),
         ("drop_length", "bytes", "counter", "bytes dropped"))  # fmt: skip
#: units of sums that are neither bytes nor microseconds
_UNITS = {
    "req_active": "requests",
    "req_qdepth": "requests",
    "req_timeout": "s",
    "opencount": "files",
    "ldlm_cancel": "locks",
}


class Lustre(Source):
    """A device is a mount or a target, ``llite/lfs-ffff8a``, with fields ``NAME_samples`` and ``NAME_sum``; or ``lnet``."""

    name = "lustre"
    order = 22
    kernel_file = "lustre/{llite,osc,mdc}/*/stats, lnet/stats"
    doc = "Lustre client: calls, bytes and times of every mount (llite) and target (osc, mdc), and LNet's traffic"
    several = True
    relist_every = 256
    may_block = True
    budget_us = 20000

    def files(self, root: str) -> list:
        out: dict = {}
        out.update(
            [("lnet", path) for path in _LNET_AT if os.path.exists(os.path.join(root, path))][:1]
        )
        denied = False
        for base in _ROOTS:
            for kind in _KINDS:
                folder = base + "/" + kind
                try:
                    names = os.listdir(os.path.join(root, folder))
                except OSError as e:
                    denied = denied or isinstance(e, PermissionError)
                    continue
                for name in sorted(names):
                    label = "%s/%s" % (kind, name)
                    if (
                        " " not in name
                        and label not in out
                        and os.path.exists(os.path.join(root, folder, name, "stats"))
                    ):
                        out[label] = "%s/%s/stats" % (folder, name)
        if not out and denied and os.path.isdir(os.path.join(root, "sys/fs/lustre")):
            raise PermissionError(
                13, "its statistics are for root alone (/sys/kernel/debug/lustre)"
            )
        return sorted(out.items())

    def field(self, table: str, name: str) -> "Field":
        if table == "lnet":
            return next(Field(*f) for f in _LNET if f[0] == name)
        call, _, what = name.rpartition("_")
        if what == "samples":
            return Field(name, "calls", "counter", "%s: how often" % call)
        unit = "bytes" if call.endswith("bytes") else _UNITS.get(call, "us")
        return Field(name, unit, "counter", "%s: in sum" % call)

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for device, lines in labelled(raw):
            if device == b"lnet":
                words = lines[0].split() if lines else []
                out += [
                    b"lnet %s %s" % (f[0].encode(), w) for f, w in zip(_LNET, words) if is_number(w)
                ]
                continue
            for line in lines:
                words = line.split()
                if len(words) < 4 or words[2] != b"samples" or not is_number(words[1]):
                    continue
                out.append(b"%s %s_samples %s" % (device, words[0], words[1]))
                if len(words) > 6 and is_number(words[6]):
                    out.append(b"%s %s_sum %s" % (device, words[0], words[6]))
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        for kind, lines in groupby(
            text.split(b"\n"), lambda line: line.split(b" ")[0].partition(b"/")[0]
        ):
            scan_cells(
                list(lines), roles, problems, kind.decode("ascii", "replace")
            )  # a table each: their calls differ
        return roles, problems
