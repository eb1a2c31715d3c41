"""/proc/net/snmp and /proc/net/netstat: what TCP, IP and UDP went through (Documentation/networking/snmp_counter.rst)."""

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

#: protocol -> counters that say something about a storage network; the others are left where they are
_KEPT: dict = {
    b"Tcp": (
        (b"CurrEstab", "connections", "gauge", "connections that are up"),
        (b"InSegs", "segments", "counter", "segments received"),
        (b"OutSegs", "segments", "counter", "segments sent"),
        (b"RetransSegs", "segments", "counter", "segments sent again"),
        (b"InErrs", "segments", "counter", "segments received in error"),
        (b"OutRsts", "segments", "counter", "resets sent"),
        (b"AttemptFails", "connections", "counter", "connections that did not come up"),
        (b"EstabResets", "connections", "counter", "connections that were reset"),
    ),
    b"Udp": (
        (b"InDatagrams", "datagrams", "counter", "datagrams received"),
        (b"OutDatagrams", "datagrams", "counter", "datagrams sent"),
        (b"InErrors", "datagrams", "counter", "datagrams that could not be delivered"),
        (b"RcvbufErrors", "datagrams", "counter", "dropped since the socket's buffer was full"),
        (b"SndbufErrors", "datagrams", "counter", "not sent since the socket's buffer was full"),
    ),
    b"TcpExt": (
        (b"ListenOverflows", "connections", "counter", "dropped since the accept queue was full"),
        (b"ListenDrops", "connections", "counter", "dropped while listening"),
        (b"TCPTimeouts", "timeouts", "counter", "retransmission timers that ran out"),
        (b"TCPLostRetransmit", "segments", "counter", "retransmissions that were lost again"),
        (b"TCPFastRetrans", "segments", "counter", "fast retransmissions"),
        (b"TCPSlowStartRetrans", "segments", "counter", "retransmissions in slow start"),
        (b"TCPSynRetrans", "segments", "counter", "SYN sent again"),
        (b"TCPOFOQueue", "segments", "counter", "received out of order and queued"),
        (b"TCPOFODrop", "segments", "counter", "received out of order and dropped"),
        (b"TCPRcvQDrop", "segments", "counter", "dropped since the receive queue was full"),
        (b"TCPBacklogDrop", "segments", "counter", "dropped since the socket's backlog was full"),
        (b"TCPZeroWindowDrop", "segments", "counter", "dropped since the window was closed"),
        (b"TCPToZeroWindowAdv", "events", "counter", "windows that were closed"),
        (b"TCPMemoryPressures", "events", "counter", "times TCP ran short of memory"),
        (b"TCPAbortOnTimeout", "connections", "counter", "given up after retransmissions"),
        (b"PruneCalled", "events", "counter", "receive queues that had to be pruned"),
    ),
    b"IpExt": (
        (b"InOctets", "bytes", "counter", "IP bytes received"),
        (b"OutOctets", "bytes", "counter", "IP bytes sent"),
        (b"InNoECTPkts", "packets", "counter", "packets received without ECN"),
        (b"InCEPkts", "packets", "counter", "packets received that were marked as congested"),
    ),
}


class Tcp(Source):
    """A protocol is the device: ``tcp.TcpExt.TCPTimeouts``."""

    name = "tcp"
    order = 12
    kernel_file = "/proc/net/snmp, /proc/net/netstat"
    doc = "TCP, UDP and IP: retransmits, timeouts, drops, out of order (of this network namespace)"
    several = True
    budget_us = 10000
    fields = tuple(Field(n.decode(), u, k, d) for rows in _KEPT.values() for n, u, k, d in rows)

    def files(self, root: str) -> list:
        return [("snmp", "proc/net/snmp"), ("netstat", "proc/net/netstat")]

    def prepare(self, raw: bytes) -> bytes:
        """Pairs of lines, names and values, as one line per value that is kept."""
        out = []
        for _file, lines in labelled(raw):
            for names, values in zip(lines[::2], lines[1::2]):
                protocol = names.partition(b":")[0]
                if protocol not in _KEPT or values.partition(b":")[0] != protocol:
                    continue
                known = dict(zip(names.split()[1:], values.split()[1:]))
                kept = [row[0] for row in _KEPT[protocol] if is_number(known.get(row[0], b""))]
                out += [b"%s %s %s" % (protocol, name, known[name]) for name in kept]
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        for line in text.split(b"\n"):
            scan_cells(
                [line], roles, problems, line.split(b" ")[0].decode("utf-8", "backslashreplace")
            )
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return 0
