"""/proc/net/dev: network interfaces (proc(5), Documentation/networking/statistics.rst)."""

import re

from ..row.layout import Field
from ..row.scan import LABEL, Scan, scan_table
from .base import KernelFileSource

_HEADER_LINES = 2
_TWO_COLONS = re.compile(rb":\S*:")


def _counter(name: str, unit: str, doc: str) -> Field:
    return Field(name, unit, "counter", doc)


class Netdev(KernelFileSource):
    """``lo`` included. RDMA traffic bypasses these counters."""

    name = "netdev"
    order = 2
    path = "proc/net/dev"
    doc = "bytes, packets, errors and drops of every network interface (not RDMA)"
    record_max = 512
    device_at = 0
    lists_devices = True
    fields = (
        _counter("rx_bytes", "bytes", "bytes received"),
        _counter("rx_packets", "packets", "packets received"),
        _counter("rx_errors", "packets", "packets received with an error"),
        _counter("rx_dropped", "packets", "packets received and dropped, missed ones included"),
        _counter("rx_fifo", "packets", "receive FIFO overruns"),
        _counter("rx_frame", "packets", "length, overrun, CRC and framing errors"),
        _counter("rx_compressed", "packets", "compressed packets received"),
        _counter("rx_multicast", "packets", "multicast packets received"),
        _counter("tx_bytes", "bytes", "bytes sent"),
        _counter("tx_packets", "packets", "packets sent"),
        _counter("tx_errors", "packets", "packets not sent because of an error"),
        _counter("tx_dropped", "packets", "packets dropped before they were sent"),
        _counter("tx_fifo", "packets", "transmit FIFO underruns"),
        _counter("tx_collisions", "packets", "collisions"),
        _counter("tx_carrier", "packets", "carrier, abort, window and heartbeat errors"),
        _counter("tx_compressed", "packets", "compressed packets sent"),
    )

    def prepare(self, raw: bytes) -> bytes:
        """Return the text with a blank in place of the colon behind each name.

        Old kernels leave no blank between that colon and a long number. The names of aliases have
        colons, too, up to Linux 3.10: ``eth0:1:``.
        """
        if _TWO_COLONS.search(raw):
            return b"\n".join(map(_split_name, raw.split(b"\n")))
        return raw.replace(b":", b" ")

    def scan(self, text: bytes) -> Scan:
        lines = text.split(b"\n")
        scan = Scan()
        for _ in range(_HEADER_LINES):  # no further: a name may hold a bar
            if lines and b"|" in lines[0]:
                scan.add(LABEL, len(lines.pop(0).split()))
        return scan_table(lines, self.first_value, 0, self.names_for, scan)

    def spare_slots(self, table: str, devices: int) -> int:
        return max(8, devices // 4)


def _split_name(line: bytes) -> bytes:
    """Return a line with a blank in place of the last colon of its first word."""
    begin = len(line) - len(line.lstrip())
    word = line.split(None, 1)[0] if line.strip() else b""
    name, colon, value = word.rpartition(b":")
    return line[:begin] + name + b" " + value + line[begin + len(word) :] if colon else line
