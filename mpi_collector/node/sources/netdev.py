"""/proc/net/dev: network interfaces (proc(5), Documentation/networking/statistics.rst)."""

from ..row.layout import LABEL, Field
from .base import Source, scan_table


def _f(name: str, unit: str, doc: str) -> "Field":
    return Field(name, unit, "counter", doc)


class Netdev(Source):
    """``lo`` included. RDMA traffic bypasses these counters."""

    name = "netdev"
    order = 2
    path = "proc/net/dev"
    doc = "bytes, packets, errors and drops of every network interface (not RDMA)"
    record_max = 512
    lists_devices = True
    fields = (
        _f("rx_bytes", "bytes", "bytes received"),
        _f("rx_packets", "packets", "packets received"),
        _f("rx_errors", "packets", "receive errors"),
        _f("rx_dropped", "packets", "received and dropped, missed ones included"),
        _f("rx_fifo", "packets", "receive FIFO overruns"),
        _f("rx_frame", "packets", "length, overrun, CRC and frame errors"),
        _f("rx_compressed", "packets", "compressed packets received"),
        _f("rx_multicast", "packets", "multicast packets received"),
        _f("tx_bytes", "bytes", "bytes sent"),
        _f("tx_packets", "packets", "packets sent"),
        _f("tx_errors", "packets", "send errors"),
        _f("tx_dropped", "packets", "dropped on the way out"),
        _f("tx_fifo", "packets", "send FIFO underruns"),
        _f("tx_collisions", "packets", "collisions"),
        _f("tx_carrier", "packets", "carrier, abort, window and heartbeat errors"),
        _f("tx_compressed", "packets", "compressed packets sent"),
    )

    def prepare(self, raw: bytes) -> bytes:
        # old kernels glue the first number to the colon; a name cannot hold a colon itself
        return raw.replace(b":", b" ")

    def _names(self, values: int) -> object:
        return tuple(f.name for f in self.fields) if values >= 16 else None

    def scan(self, text: bytes) -> tuple:
        lines = text.split(b"\n")
        roles: list = []
        problems: list = []
        for _ in range(2):  # not further down: a name may hold a bar
            if lines and b"|" in lines[0]:
                roles.extend([LABEL] * len(lines.pop(0).split()))
        scan_table(lines, 1, 0, self._names, roles, problems)
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return max(8, devices // 4)
