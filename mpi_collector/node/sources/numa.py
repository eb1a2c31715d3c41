"""/sys/devices/system/node: allocations and memory of every NUMA node (Documentation/admin-guide/numastat.rst)."""

import os
import re

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_STAT = (
    ("numa_hit", "allocated here as wanted"),
    ("numa_miss", "allocated here though wanted elsewhere"),
    ("numa_foreign", "wanted here, allocated elsewhere"),
    ("local_node", "allocated by a process of this node"),
    ("other_node", "allocated by a process of another node"),
    ("interleave_hit", "interleaved here as wanted"),
)
_MEMORY = (
    b"MemTotal",
    b"MemFree",
    b"FilePages",
    b"AnonPages",
    b"Dirty",
    b"Writeback",
    b"Shmem",
    b"Slab",
)


class Numa(Source):
    name = "numa"
    order = 15
    kernel_file = "/sys/devices/system/node/node*/{numastat,meminfo}"
    doc = "allocations that hit or missed their NUMA node, and each node's memory"
    several = True
    budget_us = 10000
    fields = tuple(Field(n, "pages", "counter", "pages " + d) for n, d in _STAT) + tuple(
        Field(n.decode() + "_kB", "kB", "gauge", n.decode() + " of the node") for n in _MEMORY
    )

    def files(self, root: str) -> list:
        base = "sys/devices/system/node"
        try:
            nodes = [
                n for n in os.listdir(os.path.join(root, base)) if re.match(r"node[0-9]+\Z", n)
            ]
        except OSError:
            return []
        nodes.sort(key=lambda n: int(n[4:]))
        return [
            ("%s:%s" % (n, f), "%s/%s/%s" % (base, n, f))
            for n in nodes
            for f in ("numastat", "meminfo")
        ]

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for label, lines in labelled(raw):
            node, _, file = label.partition(b":")
            for line in lines:
                words = line.split()
                if file == b"numastat" and len(words) == 2 and is_number(words[1]):
                    out.append(b"%s %s %s" % (node, words[0], words[1]))
                elif (
                    file == b"meminfo"
                    and len(words) >= 4
                    and words[2].rstrip(b":") in _MEMORY
                    and is_number(words[3])
                ):
                    out.append(b"%s %s_kB %s" % (node, words[2].rstrip(b":"), words[3]))
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return 0
