"""/proc/interrupts, summed over CPUs and queues (proc(5))."""

from ..read.reader import CondensedFile
from ..row.layout import Field
from ..row.scan import is_number
from .base import ReaderSource

_MANY = 256  #: devices with a column of their own, in the order of their names; the rest is one sum


class Interrupts(ReaderSource):
    """A device is what the line is for, without the number of its queue.

    Examples: ``nvme0q``, ``mlx5_comp@pci:0000:21:00.0``, ``LOC``.
    """

    name = "interrupts"
    order = 18
    kernel_file = "/proc/interrupts"
    doc = "interrupts per device, summed over CPUs and queues"
    every = 4
    budget_us = 5000
    default = False  # on a machine with 256 CPUs the text has a megabyte
    lists_devices = True
    fields = (Field("count", "interrupts", "counter", "interrupts serviced since boot"),)

    def reader(self, root: str) -> CondensedFile:
        return CondensedFile(root, "proc/interrupts", condense)


def condense(raw: bytes) -> bytes:
    """Return ``DEVICE count SUM`` lines."""
    sums: "dict[bytes, int]" = {}
    for line in raw.split(b"\n"):
        name, colon, rest = line.partition(b":")
        words = rest.split()
        numbers = 0
        while numbers < len(words) and is_number(words[numbers]):
            numbers += 1
        if colon and numbers and name.strip():
            key = _device(words[numbers:]) if name.strip().isdigit() else b"_".join(name.split())
            sums[key] = sums.get(key, 0) + sum(map(int, words[:numbers]))
    ordered = sorted(sums)
    lines = [b"%s count %d" % (k, sums[k]) for k in ordered[:_MANY]]
    if len(ordered) > _MANY:
        lines.append(b"others count %d" % sum(sums[k] for k in ordered[_MANY:]))
    return b"\n".join(lines)


def _device(words: "list[bytes]") -> bytes:
    """Return the device of ``PCI-MSI 524288-edge nvme0q1``: nvme0q. The card after @ is kept."""
    last, at, card = words[-1].partition(b"@") if words else (b"unknown", b"", b"")
    return (last.rstrip(b"0123456789").rstrip(b"-.") or last or b"unknown") + at + card
