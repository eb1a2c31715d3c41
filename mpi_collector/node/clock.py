"""From a node's monotonic clock to the time line that all hosts share.

The time line is the coordinator's wall clock at tick 0 plus the coordinator's monotonic time since
then: a wall clock that is stepped, on any host, moves nothing. A node knows its offset to the
coordinator from a few measurements, each with a bound of its error.
"""

from bisect import bisect_right

DRIFT_PPM = 50  #: how fast two clocks may diverge where nothing newer is known; quartz stays below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    #: (sent, answer of the coordinator, received), ns, the outer two by the local clock
    Echo = tuple[int, int, int]
    #: (local time, offset = local - coordinator, bound of its error), ns
    Measurement = tuple[int, int, int]


def best_echo(echoes: "Iterable[Echo]") -> "Measurement":
    """Return the measurement from the echo with the shortest round trip. ValueError for no echo."""
    sent, root, received = min(echoes, key=lambda e: e[2] - e[0])
    middle = (sent + received) // 2
    return middle, middle - root, (received - sent + 1) // 2


class Timeline:
    """The common time line as seen from one node.

    ``t0_root_ns``: tick 0 on the coordinator's monotonic clock, ``epoch_ns``: the same moment in
    UTC. ``clocks``: measurements, at least one.
    """

    def __init__(self, t0_root_ns: int, epoch_ns: int, clocks: "Iterable[Measurement]") -> None:
        self.t0_root_ns = t0_root_ns
        self.epoch_ns = epoch_ns
        self.clocks: "list[Measurement]" = sorted(clocks)
        if not self.clocks:
            raise ValueError("no clock measurement")
        self._at = [c[0] for c in self.clocks]

    @classmethod
    def from_events(cls, events: "list[dict[str, Any]]") -> "Timeline":
        """Return that of a spool's event log. ValueError without a grid or a clock measurement."""
        grids = [e for e in events if e["type"] == "grid"]
        if not grids:
            raise ValueError("sampling never started")
        clocks = [
            (e["mono_ns"], e["offset_ns"], e["bound_ns"]) for e in events if e["type"] == "clock"
        ]
        return cls(grids[0]["t0_ns"], grids[0]["epoch_ns"], clocks)

    def offset_ns(self, mono_ns: int) -> int:
        """Return local clock - coordinator's clock at local time ``mono_ns``, interpolated."""
        i = bisect_right(self._at, mono_ns)
        if i == 0:
            return int(self.clocks[0][1])
        a = self.clocks[i - 1]
        if i == len(self.clocks):
            return int(a[1])
        b = self.clocks[i]
        return int(a[1] + (b[1] - a[1]) * (mono_ns - a[0]) // (b[0] - a[0]))

    def bound_ns(self, mono_ns: int) -> int:
        """Return the bound of the error of ``offset_ns``; it grows away from the measurements."""
        if len(self.clocks) == 1 and self.clocks[0][2] == 0:
            return 0  # the coordinator itself
        i = bisect_right(self._at, mono_ns)
        near = self.clocks[max(i - 1, 0) : i + 1]
        return int(min(c[2] + abs(mono_ns - c[0]) * DRIFT_PPM // 1000000 for c in near))

    def root_ns(self, mono_ns: int) -> int:
        """Return the coordinator's monotonic clock at local time ``mono_ns``."""
        return mono_ns - self.offset_ns(mono_ns)

    def utc_ns(self, mono_ns: int) -> int:
        """Return UTC on the common time line, ns since the epoch."""
        return self.epoch_ns + self.root_ns(mono_ns) - self.t0_root_ns
