"""/proc/interrupts, summed over CPUs (proc(5)); the devices with the most of them, the rest in one sum."""

from ..layout import Field
from .base import Source, is_number, labelled, scan_cells

_MANY = 64  #: devices with a column of their own


class Interrupts(Source):
    """A device is what the line is for without the number of its queue: ``nvme0q``, ``mlx5_comp``, ``LOC``."""

    name = "interrupts"
    path = "proc/interrupts"
    doc = "interrupts per device, summed over CPUs and queues"
    record_max = 4096
    every = 4
    budget_us = 5000
    default = False  # on a machine of 256 CPUs the text has a megabyte
    lists_devices = True
    fields = (Field("count", "interrupts", "counter", "interrupts delivered"),)

    def prepare(self, raw):
        # type: (bytes) -> bytes
        sums = {}  # type: dict
        for _label, lines in labelled(raw):
            for line in lines:
                name, colon, rest = line.partition(b":")
                words = rest.split()
                numbers = 0
                while numbers < len(words) and is_number(words[numbers]):
                    numbers += 1
                if colon and numbers:
                    key = name.strip() if not name.strip().isdigit() else _device(words[numbers:])
                    sums[key] = sums.get(key, 0) + sum(map(int, words[:numbers]))
        ordered = sorted(sums)
        lines = [b"%s count %d" % (k, sums[k]) for k in ordered[:_MANY]]
        if len(ordered) > _MANY:
            lines.append(b"others count %d" % sum(sums[k] for k in ordered[_MANY:]))
        return b"\n".join(lines)

    def scan(self, text):
        # type: (bytes) -> tuple
        roles, problems = [], []  # type: list, list
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems


def _device(words):
    # type: (list) -> bytes
    """From ``PCI-MSI 524288-edge nvme0q1``: nvme0q."""
    last = words[-1].partition(b"@")[0] if words else b"unknown"
    return last.rstrip(b"0123456789") or last or b"unknown"
