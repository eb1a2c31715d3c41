"""/proc/net/softnet_stat: packets between the interface and the protocols (net/core/net-procfs.c)."""

from ..row.layout import Field
from .base import Source, scan_keyed

_COLUMNS = (
    (0, b"processed"),
    (1, b"dropped"),
    (2, b"squeezed"),
    (9, b"received_rps"),
    (10, b"flow_limited"),
)


class Softnet(Source):
    name = "softnet"
    order = 13
    path = "proc/net/softnet_stat"
    doc = "packets processed, dropped and squeezed in the receive path, summed over CPUs"
    record_max = 256
    fields = (
        Field("processed", "packets", "counter", "packets taken from interfaces"),
        Field(
            "dropped",
            "packets",
            "counter",
            "dropped since a CPU's backlog was full (netdev_max_backlog)",
        ),
        Field(
            "squeezed",
            "events",
            "counter",
            "times a CPU ran out of its budget with work left (netdev_budget)",
        ),
        Field(
            "received_rps",
            "events",
            "counter",
            "times a CPU was woken to receive for another (RPS); Linux 2.6.35",
        ),
        Field("flow_limited", "packets", "counter", "dropped by the flow limit; Linux 3.11"),
    )

    def prepare(self, raw: bytes) -> bytes:
        """Hexadecimal columns of every CPU as sums."""
        sums: dict = {}
        for line in raw.split(b"\n"):
            words = line.split()
            for at, name in _COLUMNS:
                if at < len(words):
                    try:
                        sums[name] = sums.get(name, 0) + int(words[at], 16)
                    except ValueError:
                        pass
        return b"".join(b"%s %d\n" % (name, sums[name]) for _at, name in _COLUMNS if name in sums)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_keyed(text.split(b"\n"), roles, problems)
        return roles, problems
