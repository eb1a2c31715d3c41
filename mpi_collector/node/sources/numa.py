"""/sys/devices/system/node: allocations and memory of NUMA nodes (admin-guide/numastat.rst)."""

import re

from ..read.kernel_file import list_names
from ..row.layout import DEVICES, Field
from ..row.scan import is_number
from .base import FileGroupSource, labelled

_BASE = "sys/devices/system/node"
_NODE = re.compile(r"node([0-9]+)\Z")
_FILES = ("numastat", "meminfo")
_STAT = (
    ("numa_hit", "pages allocated on this node as intended"),
    ("numa_miss", "pages allocated on this node though another one was preferred"),
    ("numa_foreign", "pages intended for this node but allocated on another one"),
    ("local_node", "pages allocated on this node by a process that ran on it"),
    ("other_node", "pages allocated on this node by a process that ran on another one"),
    ("interleave_hit", "pages interleaved over nodes that were allocated here as intended"),
)
_MEMORY = {
    b"MemTotal": "memory of the node",
    b"MemFree": "memory that is not used at all",
    b"FilePages": "page cache",
    b"AnonPages": "anonymous memory that is mapped",
    b"Dirty": "page cache that is waiting to be written to storage",
    b"Writeback": "page cache that is being written to storage",
    b"Shmem": "tmpfs and shared memory",
    b"Slab": "data structures of the kernel",
}


class Numa(FileGroupSource):
    """A device is a node, ``node0``."""

    name = "numa"
    order = 15
    copies_numbers = True
    in_one_piece = True
    kernel_file = "/sys/devices/system/node/node*/{numastat,meminfo}"
    doc = "allocations that hit or missed their NUMA node, and each node's memory"
    budget_us = 10000
    fields = tuple(Field(name, "pages", "counter", doc) for name, doc in _STAT) + tuple(
        Field(key.decode() + "_kB", "kB", "gauge", doc) for key, doc in _MEMORY.items()
    )

    def files(self, root: str) -> "list[tuple[str, str]]":
        nodes = [name for name in list_names(root, _BASE) if _NODE.match(name)]
        nodes.sort(key=lambda name: int(name[4:]))
        return [("%s:%s" % (n, f), "%s/%s/%s" % (_BASE, n, f)) for n in nodes for f in _FILES]

    def prepare(self, raw: bytes) -> bytes:
        out: "list[bytes]" = []
        for label, lines in labelled(raw):
            node, _, file = label.partition(b":")
            if file == b"numastat":
                _add_numastat(node, lines, out)
            elif file == b"meminfo":
                _add_meminfo(node, lines, out)
        return b"\n".join(out)

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        return {DEVICES: tuple(f.name for f in self.fields)}

    def spare_slots(self, table: str, devices: int) -> int:
        return 2  # memory that is added later is a node of its own


def _add_numastat(node: bytes, lines: "list[bytes]", out: "list[bytes]") -> None:
    """Append ``device field value`` lines of lines like ``numa_hit 76557759``."""
    for line in lines:
        words = line.split()
        if len(words) == 2 and is_number(words[1]):
            out.append(b"%s %s %s" % (node, words[0], words[1]))


def _add_meminfo(node: bytes, lines: "list[bytes]", out: "list[bytes]") -> None:
    """Append ``device field value`` lines of lines like ``Node 0 MemFree: 7 kB``."""
    for line in lines:
        words = line.split()
        if len(words) >= 4 and words[2].rstrip(b":") in _MEMORY and is_number(words[3]):
            out.append(b"%s %s_kB %s" % (node, words[2].rstrip(b":"), words[3]))
