"""/proc/interrupts, summed over CPUs and queues, and per CPU (proc(5), kernel/irq/proc.c)."""

import re
from operator import add, lt, sub

from ..read.kernel_file import WholeFile
from ..read.reader import Reader
from ..row.layout import DEVICES, Field
from ..row.scan import is_number
from .base import ReaderSource

_PATH = "proc/interrupts"
_MANY = 256  #: devices with a column of their own, in the order of their names; the rest is one sum
_CPUS = "cpus"  #: table of CPUs
_RANGE = 1 << 32  #: of the counters of a CPU, which are of type unsigned int
_HALF = 1 << 31
_DIGITS = 10  #: of such a counter


class Interrupts(ReaderSource):
    """A device is what the line is for, without the number of its queue; or a CPU.

    Examples: ``nvme0q``, ``mlx5_comp@pci:0000:21:00.0``, ``i8042``, ``LOC``; ``cpu0``.
    """

    name = "interrupts"
    order = 18
    kernel_file = "/" + _PATH
    doc = "interrupts per device, summed over CPUs and queues, and per CPU"
    every = 4
    budget_us = 5000
    default = False  # on a machine with 256 CPUs the text has a megabyte
    fields = (
        Field("count", "interrupts", "counter", "interrupts of this device since boot, all CPUs"),
        Field("serviced", "interrupts", "counter", "interrupts that this CPU serviced since boot"),
    )

    def reader(self, root: str) -> "InterruptReader":
        return InterruptReader(root)

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        return {DEVICES: ("count",), _CPUS: ("serviced",)}

    def spare_slots(self, table: str, devices: int) -> int:
        return 4 if table == _CPUS else max(4, devices // 4)

    def table_of(self, line: bytes) -> str:
        return _CPUS if b" serviced " in line else DEVICES


class _Line:
    """The interrupts of one line: its device, and its present count per CPU."""

    __slots__ = ("counts", "device", "in_total", "tail", "text")

    def __init__(self) -> None:
        self.text = b""
        self.tail: "list[bytes]" = []
        self.device = b""
        self.counts: "list[int]" = []
        self.in_total = True


class InterruptReader(Reader):
    """Sums the counters of all lines. OSError when the file is not there.

    The counter of a CPU wraps after 2^32 interrupts of a device: the sums go on. One that falls
    otherwise was reset: the sums that it is part of fall by one, however much the others have
    grown, so that the growth is unknown there. What a line counted stays in the sums when it is
    gone; so does what a CPU serviced that has gone offline. A line that was cut counts nothing.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self._file = WholeFile(root, _PATH)
        self._head = b""
        self._cpus: "list[bytes]" = []
        self._lines: "dict[bytes, _Line]" = {}
        self._sums: "dict[bytes, int]" = {}
        self._serviced: "dict[bytes, int]" = {}
        self._totals: "list[int]" = []
        self._reset: "set[bytes]" = set()  #: devices and CPUs of which a counter fell in this read

    def read(self) -> bytes:
        """Return ``DEVICE count SUM`` and ``CPU serviced SUM`` lines."""
        lines = self._file.read().split(b"\n")[:-1]  # what has no end was cut
        before = {**self._sums, **self._serviced}
        self._reset.clear()
        if lines and lines[0].lstrip()[:3].upper() == b"CPU":
            head = lines.pop(0)
            if head != self._head:
                self._renumber(head)
        for text in lines:
            label, colon, rest = text.partition(b":")
            label = label.strip()
            if colon and label:
                line = self._lines.get(label)
                if line is None:
                    line = self._lines[label] = _Line()
                if line.text != rest:
                    self._take(line, label, rest)
        self._save_totals()
        for name in self._reset & before.keys():
            sums = self._sums if name in self._sums else self._serviced
            sums[name] = before[name] - 1
        return self._text()

    def close(self) -> None:
        self._file.close()

    def _renumber(self, head: bytes) -> None:
        """Follow a change of the CPUs that are online: a column each, in the order of ``head``."""
        self._save_totals()
        cpus = head.lower().split()
        for line in self._lines.values():
            if len(line.counts) == len(self._cpus):
                known = dict(zip(self._cpus, line.counts))
                line.counts = [known.get(cpu, 0) for cpu in cpus]
            line.text = b""
        self._head = head
        self._cpus = cpus
        self._totals = [0] * len(cpus)

    def _save_totals(self) -> None:
        for cpu, total in zip(self._cpus, self._totals):
            self._serviced[cpu] = self._serviced.get(cpu, 0) + total
        self._totals = [0] * len(self._cpus)

    def _take(self, line: _Line, label: bytes, rest: bytes) -> None:
        """Add what a line has grown by."""
        words = rest.split(None, len(self._cpus)) if self._cpus else rest.split()
        counts = _counts(words, len(self._cpus))
        tail = words[len(counts) :]
        if not counts or len(counts) < len(line.counts):
            return  # it was cut
        if not tail and (line.tail or label.isdigit()):
            return  # cut, maybe within its last number: the kernel names at least the controller
        line.text = rest
        first_device = line.device
        if not line.device or tail != line.tail:
            line.tail = tail
            name = b" ".join(line.tail).split()
            line.device = device_of(name) if label.isdigit() else b"_".join(label.split())
            # ERR and MIS have one count; s390 lists parts of EXT, I/O and AIO, with [KIND] behind
            # them, or with the number of a message of AIO
            kind = name[0].strip(b"[]") if b"".join(name)[:1] == b"[" else b""
            part = kind in self._lines or (label.isdigit() and b"EXT" in self._lines)
            line.in_total = len(counts) == len(self._cpus) and not part
        before = line.counts or [0] * len(counts)
        if len(before) < len(counts):  # it was cut when it was first seen
            before = counts
        if line.device != first_device and any(map(lt, counts, before)):
            before = [0] * len(counts)  # the number was given to another device
        line.counts = counts
        grown = list(map(sub, counts, before))
        if any(map(lt, counts, before)):
            grown = [_unwrapped(n) for n in grown]
            self._forget(line, grown)
        self._sums[line.device] = self._sums.get(line.device, 0) + sum(grown)
        if line.in_total:
            self._totals = list(map(add, self._totals, grown))

    def _forget(self, line: _Line, grown: "list[int]") -> None:
        """Note what is unknown now, where counters of a line were reset."""
        if min(grown) < 0:
            self._reset.add(line.device)
            if line.in_total:
                self._reset.update(cpu for cpu, n in zip(self._cpus, grown) if n < 0)

    def _text(self) -> bytes:
        ordered = sorted(self._sums)
        out = [b"%s count %d" % (name, self._sums[name]) for name in ordered[:_MANY]]
        if len(ordered) > _MANY:
            out.append(b"others count %d" % sum(self._sums[name] for name in ordered[_MANY:]))
        out += [b"%s serviced %d" % item for item in self._serviced.items()]
        return b"\n".join(out)


def _counts(words: "list[bytes]", cpus: int) -> "list[int]":
    """Return the numbers with which a line begins: one per CPU, or fewer."""
    columns = words[:cpus]
    if columns and b"".join(columns).isdigit() and max(map(len, columns)) <= _DIGITS:
        return list(map(int, columns))
    numbers = 0
    while numbers < len(words) and is_number(words[numbers]) and (numbers < cpus or not cpus):
        numbers += 1
    return list(map(int, words[:numbers]))


def _unwrapped(grown: int) -> int:
    """Return the growth of a counter that may have wrapped."""
    return grown + _RANGE if grown < 0 and grown + _RANGE < _HALF else grown


# ---- names
#: number at the interrupt controller, on some architectures with the kind of trigger: ``512-edge``
_HWIRQ = re.compile(rb"[0-9]+(-\S*)?\Z")
#: kernels before 2.6.37, and Xen: the trigger is a part of the controller's name
_TRIGGER = re.compile(rb".*-(edge|level|fasteoi|percpu|simple|event|virq|ipi)\Z")
_WORDS_OF_CHIP = 4  #: in which the number at the controller is looked for
_QUEUE = re.compile(
    rb"(.*(?:\A|[^a-z])(?:q|queue|cq|eq|ring|vec|vector|tx|rx|txrx|tx-rx|fp|comp|input|output|req"
    rb"|requests?|msix|blk|sdma|kctxt|rsp))[-._:]?[0-9]+\)?\Z",
    re.IGNORECASE,
)
_QUEUE_OF_INTERFACE = re.compile(rb"(\S*[a-z][a-z0-9]*[0-9])-[0-9]+\Z")  #: ens1f0-3


def device_of(words: "list[bytes]") -> bytes:
    """Return the device of ``PCI-MSI 524288-edge nvme0q1``: nvme0q. The card after @ is kept.

    ``words``: what is behind the counts: controller, number there, trigger, and the name of the
    device, which may have blanks; they become ``_``.
    """
    name = b"_".join(_name(words)).replace(b",_", b",") or b"unknown"
    queue, at, card = name.partition(b"@")
    if at:
        return (queue.rstrip(b"0123456789").rstrip(b"-.") or queue) + at + card
    match = _QUEUE.match(name) or _QUEUE_OF_INTERFACE.match(name)
    return match.group(1) if match else name


def _name(words: "list[bytes]") -> "list[bytes]":
    if len(words) > 1 and _TRIGGER.match(words[0]) and not _HWIRQ.match(words[1]):
        at = 1
    else:
        numbers = (n for n in range(1, len(words[:_WORDS_OF_CHIP])) if _HWIRQ.match(words[n]))
        at = next(numbers, 0) + 1
        if words[at : at + 1] in ([b"Level"], [b"Edge"]):
            at += 1
    while words[at : at + 1] and words[at][:1] == b"-":
        at += 1
    return words[at:] or words[:1]
