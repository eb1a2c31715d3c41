"""/proc/net/snmp, /proc/net/netstat: TCP, UDP and IP (networking/snmp_counter.rst)."""

from ..row.layout import Field
from ..row.scan import is_number, name_of
from .base import FileGroupSource, labelled

_SEGMENTS = "segments"
_DATAGRAMS = "datagrams"
_CONNECTIONS = "connections"
#: protocol -> (kernel name, unit, meaning) of the counters that matter to storage and MPI traffic
_KEPT = {
    b"Tcp": (
        (b"CurrEstab", _CONNECTIONS, "connections that are established"),
        (b"InSegs", _SEGMENTS, "segments received"),
        (b"OutSegs", _SEGMENTS, "segments sent, retransmits not included"),
        (b"RetransSegs", _SEGMENTS, "segments retransmitted"),
        (b"InErrs", _SEGMENTS, "segments received with an error"),
        (b"OutRsts", _SEGMENTS, "resets sent"),
        (b"AttemptFails", _CONNECTIONS, "connection attempts that failed"),
        (b"EstabResets", _CONNECTIONS, "established connections that were reset"),
    ),
    b"Udp": (
        (b"InDatagrams", _DATAGRAMS, "datagrams received"),
        (b"OutDatagrams", _DATAGRAMS, "datagrams sent"),
        (b"InErrors", _DATAGRAMS, "datagrams received that could not be delivered"),
        (b"RcvbufErrors", _DATAGRAMS, "datagrams dropped because the receive buffer was full"),
        (b"SndbufErrors", _DATAGRAMS, "datagrams not sent because the send buffer was full"),
    ),
    b"TcpExt": (
        (b"ListenOverflows", _CONNECTIONS, "connections dropped because the accept queue was full"),
        (b"ListenDrops", _CONNECTIONS, "connections dropped by a listening socket, any reason"),
        (b"TCPTimeouts", "timeouts", "retransmission timeouts"),
        (b"TCPLostRetransmit", _SEGMENTS, "retransmits that were lost again"),
        (b"TCPFastRetrans", _SEGMENTS, "fast retransmits"),
        (b"TCPSlowStartRetrans", _SEGMENTS, "retransmits in slow start"),
        (b"TCPSynRetrans", _SEGMENTS, "SYN segments retransmitted; since Linux 3.14"),
        (b"TCPOFOQueue", _SEGMENTS, "segments received out of order and queued"),
        (b"TCPOFODrop", _SEGMENTS, "segments received out of order and dropped"),
        (
            b"TCPRcvQDrop",
            _SEGMENTS,
            "segments dropped because the receive queue was full; since Linux 4.20",
        ),
        (b"TCPBacklogDrop", _SEGMENTS, "segments dropped because the socket's backlog was full"),
        (
            b"TCPZeroWindowDrop",
            _SEGMENTS,
            "segments dropped because the receive window was zero; since Linux 4.20",
        ),
        (b"TCPToZeroWindowAdv", "events", "times the advertised receive window went to zero"),
        (b"TCPMemoryPressures", "events", "times TCP ran short of memory"),
        (b"TCPAbortOnTimeout", _CONNECTIONS, "connections aborted after too many retransmits"),
        (b"PruneCalled", "events", "times a receive queue was pruned for lack of buffer space"),
    ),
    b"IpExt": (
        (b"InOctets", "bytes", "IP bytes received"),
        (b"OutOctets", "bytes", "IP bytes sent"),
        (b"InNoECTPkts", "packets", "packets received without ECN"),
        (b"InCEPkts", "packets", "packets received that were marked congestion experienced (ECN)"),
    ),
}
_GAUGE = b"CurrEstab"


class Tcp(FileGroupSource):
    """A protocol is the device: ``tcp.TcpExt.TCPTimeouts``. Other counters are left out."""

    name = "tcp"
    order = 12
    kernel_file = "/proc/net/snmp, /proc/net/netstat"
    doc = "TCP, UDP and IP: retransmits, timeouts, drops, out of order (of this network namespace)"
    budget_us = 10000
    fields = tuple(
        Field(name.decode(), unit, "gauge" if name == _GAUGE else "counter", doc)
        for rows in _KEPT.values()
        for name, unit, doc in rows
    )

    def files(self, root: str) -> "list[tuple[str, str]]":
        return [("snmp", "proc/net/snmp"), ("netstat", "proc/net/netstat")]

    def prepare(self, raw: bytes) -> bytes:
        """Return a line per value that is kept, of pairs of lines: names and values."""
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

    def table_of(self, line: bytes) -> str:
        return name_of(line.split(b" ")[0])

    def spare_slots(self, table: str, devices: int) -> int:
        return 0
