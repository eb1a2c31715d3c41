"""/proc/net/softnet_stat: packets between interfaces and protocols (net/core/net-procfs.c).

A line per CPU that is online, numbers of 32 bits in hexadecimal. Since Linux 5.10 a line says which
CPU it is of.
"""

from ..read.kernel_file import WholeFile
from ..read.per_cpu import WIDTH_32, PerCpuSums
from ..read.reader import Reader
from ..row.layout import Field
from ..row.scan import Scan, scan_keyed
from .base import ReaderSource

_PATH = "proc/net/softnet_stat"
#: hexadecimal column -> field
_COLUMNS = (
    (0, b"processed"),
    (1, b"dropped"),
    (2, b"squeezed"),
    (9, b"received_rps"),
    (10, b"flow_limited"),
)
_CPU_AT = 12  #: column with the number of the CPU
_DIGITS = 16  #: of 64 bits, at most


class Softnet(ReaderSource):
    """The fields are sums over all CPUs, in which the wraps of a CPU's counters do not show."""

    name = "softnet"
    order = 13
    kernel_file = "/" + _PATH
    budget_us = 10000
    doc = "packets processed, dropped and squeezed in the receive path, summed over CPUs"
    fields = (
        Field("processed", "packets", "counter", "packets taken from interfaces"),
        Field(
            "dropped",
            "packets",
            "counter",
            "packets dropped because the backlog of a CPU was full (netdev_max_backlog)",
        ),
        Field(
            "squeezed",
            "events",
            "counter",
            "times a CPU used up its budget with packets left (netdev_budget)",
        ),
        Field(
            "received_rps",
            "events",
            "counter",
            "times a CPU was woken to receive for another one (RPS); since Linux 2.6.35",
        ),
        Field(
            "flow_limited",
            "packets",
            "counter",
            "packets dropped by the flow limit; since Linux 3.11",
        ),
    )

    def reader(self, root: str) -> "SoftnetReader":
        return SoftnetReader(root)

    def scan(self, text: bytes) -> Scan:
        return scan_keyed(text.split(b"\n"))


class SoftnetReader(Reader):
    """Sums the counters of all CPUs. OSError when the file is not there."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._file = WholeFile(root, _PATH)
        self._lines: "list[bytes]" = []
        self._sums = PerCpuSums(WIDTH_32)

    def read(self) -> bytes:
        """Return ``field value`` lines."""
        lines = self._file.read().split(b"\n")
        before = self._lines if len(lines) == len(self._lines) else [b""] * len(lines)
        for at, line in enumerate(lines):
            if line != before[at]:
                words = line.split()
                cpu = words[_CPU_AT] if len(words) > _CPU_AT else b"%d" % at
                for column, name in _COLUMNS:
                    if column < len(words):
                        self._add(name, cpu, words[column])
        self._lines = lines
        sums = self._sums.sums
        return b"".join([b"%s %d\n" % (name, sums[name]) for _at, name in _COLUMNS if name in sums])

    def _add(self, name: bytes, cpu: bytes, word: bytes) -> None:
        if len(word) > _DIGITS:
            return
        try:
            self._sums.set(name, cpu, int(word, 16))
        except ValueError:
            return

    def close(self) -> None:
        self._file.close()
