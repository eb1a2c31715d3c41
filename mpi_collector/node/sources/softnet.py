"""/proc/net/softnet_stat: packets between interfaces and protocols (net/core/net-procfs.c)."""

from ..row.layout import Field
from .base import KernelFileSource

#: hexadecimal column -> field
_COLUMNS = (
    (0, b"processed"),
    (1, b"dropped"),
    (2, b"squeezed"),
    (9, b"received_rps"),
    (10, b"flow_limited"),
)
_DIGITS = 16  #: of 64 bits, at most


class Softnet(KernelFileSource):
    """The file has a line per CPU; the fields are sums over all of them."""

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

    def prepare(self, raw: bytes) -> bytes:
        """Return ``field value`` lines with the sums over all CPUs."""
        sums: "dict[bytes, int]" = {}
        for line in raw.split(b"\n"):
            words = line.split()
            for at, name in _COLUMNS:
                if at < len(words) and len(words[at]) <= _DIGITS:
                    try:
                        sums[name] = sums.get(name, 0) + int(words[at], 16)
                    except ValueError:
                        pass
        return b"".join(b"%s %d\n" % (name, sums[name]) for _at, name in _COLUMNS if name in sums)
