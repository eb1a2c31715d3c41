"""/proc/net/snmp, netstat, snmp6: TCP, UDP and IP (networking/snmp_counter.rst).

snmp and netstat have TCP over both versions of IP, and the rest for IPv4 alone; snmp6 has UDP and
IP of version 6.
"""

from functools import lru_cache

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
        (b"InOctets", "bytes", "IPv4 bytes received"),
        (b"OutOctets", "bytes", "IPv4 bytes sent"),
        (b"InNoECTPkts", "packets", "IPv4 packets received without ECN"),
        (b"InCEPkts", "packets", "IPv4 packets received that were marked congested (ECN)"),
    ),
}
#: the same of snmp6, where a key is protocol and name: ``Udp6InDatagrams``
_KEPT_6 = {
    b"Ip6": (
        (b"InOctets", "bytes", "IPv6 bytes received"),
        (b"OutOctets", "bytes", "IPv6 bytes sent"),
        (b"InNoECTPkts", "packets", "IPv6 packets received without ECN"),
        (b"InCEPkts", "packets", "IPv6 packets received that were marked congested (ECN)"),
    ),
    b"Udp6": tuple(
        (name, unit, doc.replace("datagrams", "IPv6 datagrams", 1))
        for name, unit, doc in _KEPT[b"Udp"]
    ),
}
_KEPT[b"Udp"] = tuple(
    (name, unit, doc.replace("datagrams", "IPv4 datagrams", 1)) for name, unit, doc in _KEPT[b"Udp"]
)
#: key of snmp6 -> head of the line that ``prepare`` makes
_HEADS_6 = {
    protocol + row[0]: b"%s %s " % (protocol, row[0])
    for protocol, rows in _KEPT_6.items()
    for row in rows
}
_GAUGE = b"CurrEstab"
_SIX = b"@snmp6\n"


class Tcp(FileGroupSource):
    """A protocol is the device: ``tcp.TcpExt.TCPTimeouts``. Other counters are left out."""

    name = "tcp"
    order = 12
    copies_numbers = True
    in_one_piece = True
    kernel_file = "/proc/net/snmp, /proc/net/netstat, /proc/net/snmp6"
    doc = "TCP, UDP and IP: retransmits, timeouts, drops, out of order (of this network namespace)"
    budget_us = 10000
    fields = tuple(
        Field(name.decode(), unit, "gauge" if name == _GAUGE else "counter", doc)
        for rows in _KEPT.values()
        for name, unit, doc in rows
    )
    _fields_6 = {
        protocol.decode(): {
            name.decode(): Field(name.decode(), unit, "counter", doc) for name, unit, doc in rows
        }
        for protocol, rows in _KEPT_6.items()
    }

    def files(self, root: str) -> "list[tuple[str, str]]":
        names = ("snmp", "netstat", "snmp6")
        return [(name, "proc/net/" + name) for name in names]

    def field(self, table: str, name: str) -> Field:
        known = self._fields_6.get(table, {})
        return known[name] if name in known else super().field(table, name)

    def prepare(self, raw: bytes) -> bytes:
        """Return a line per value that is kept, of pairs of lines: names and values."""
        out = []
        four, _, six = raw.partition(_SIX)
        for _file, lines in labelled(four):
            for names, values in zip(lines[::2], lines[1::2]):
                words = values.split()
                for label, at, head in _places(names) if words else ():
                    if words[0] == label and at < len(words) and is_number(words[at]):
                        out.append(head + words[at])
        if six:
            _add_6(b"\n" + six, out)
        return b"\n".join(out)

    def table_of(self, line: bytes) -> str:
        return name_of(line.split(b" ")[0])

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


@lru_cache(maxsize=16)
def _places(names: bytes) -> "list[tuple[bytes, int, bytes]]":
    """Return (first word, place on the line of values, line that is made) of what is kept.

    ``names``: the line of names, which is the same at every reading.
    """
    words = names.split()
    protocol = names.partition(b":")[0]
    wanted = [row[0] for row in _KEPT.get(protocol, ())]
    places = {word: at for at, word in enumerate(words)}
    return [
        (protocol + b":", places[name], b"%s %s " % (protocol, name))
        for name in wanted
        if name in places
    ]


def _add_6(text: bytes, out: "list[bytes]") -> None:
    """Append the lines of snmp6 that are kept: they are few of many, and found by their keys."""
    for key, head in _HEADS_6.items():
        at = text.find(b"\n" + key)
        while at >= 0:
            words = text[at + 1 : text.find(b"\n", at + 1)].split()
            if len(words) == 2 and words[0] == key:
                if is_number(words[1]):
                    out.append(head + words[1])
                break
            at = text.find(b"\n" + key, at + 1)
