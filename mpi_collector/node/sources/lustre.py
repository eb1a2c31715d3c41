"""Lustre client statistics: llite (file system calls), osc and mdc (RPCs), where this kernel shows them.

/proc/fs/lustre, /sys/fs/lustre and, in newer versions and for root only, /sys/kernel/debug/lustre (Lustre manual,
"Monitoring the file system"). A line is ``name N samples [unit] min max sum sumsq``; what cannot be differenced (least, most,
squares, which wrap) is left.
"""

import os

from ..layout import Field
from .base import Source, is_number, labelled, scan_cells

_ROOTS = ("proc/fs/lustre", "sys/kernel/debug/lustre", "sys/fs/lustre")
_KINDS = ("llite", "osc", "mdc")
#: units of sums that are neither bytes nor microseconds
_UNITS = {"req_active": "requests", "req_qdepth": "requests", "req_timeout": "s", "opencount": "files", "ldlm_cancel": "locks"}


class Lustre(Source):
    """A device is a mount or a target, ``llite/lfs-ffff8a``; fields ``NAME_samples`` and ``NAME_sum``."""

    name = "lustre"
    kernel_file = "lustre/{llite,osc,mdc}/*/stats"
    doc = "Lustre client: calls, bytes and times of every mount (llite) and target (osc, mdc)"
    several = True
    relist_every = 256
    may_block = True
    budget_us = 20000

    def files(self, root):
        # type: (str) -> list
        out = {}  # type: dict
        for base in _ROOTS:
            for kind in _KINDS:
                folder = base + "/" + kind
                try:
                    names = os.listdir(os.path.join(root, folder))
                except OSError:
                    continue
                for name in sorted(names):
                    label = "%s/%s" % (kind, name)
                    if " " not in name and label not in out and os.path.exists(os.path.join(root, folder, name, "stats")):
                        out[label] = "%s/%s/stats" % (folder, name)
        return sorted(out.items())

    def field(self, table, name):
        # type: (str, str) -> Field
        call, _, what = name.rpartition("_")
        if what == "samples":
            return Field(name, "calls", "counter", "%s: how often" % call)
        unit = "bytes" if call.endswith("bytes") else _UNITS.get(call, "us")
        return Field(name, unit, "counter", "%s: in sum" % call)

    def prepare(self, raw):
        # type: (bytes) -> bytes
        out = []
        for device, lines in labelled(raw):
            for line in lines:
                words = line.split()
                if len(words) < 4 or words[2] != b"samples" or not is_number(words[1]):
                    continue
                out.append(b"%s %s_samples %s" % (device, words[0], words[1]))
                if len(words) > 6 and is_number(words[6]):
                    out.append(b"%s %s_sum %s" % (device, words[0], words[6]))
        return b"\n".join(out)

    def scan(self, text):
        # type: (bytes) -> tuple
        roles, problems = [], []  # type: list, list
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems
