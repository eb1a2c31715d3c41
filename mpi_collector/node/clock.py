"""From a node's monotonic clock to the time line that all hosts share.

The time line is the root's wall clock at tick 0 plus the root's monotonic time since: a wall clock that is stepped, on
any host, moves nothing. A node knows its offset to the root from a few measurements, each with the bound of its error.
"""

from bisect import bisect_right

DRIFT_PPM = 50  #: how fast two clocks may part where nothing newer is known; quartz stays below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


def best_echo(echoes: "Iterable[tuple]") -> tuple:
    """(local time, offset to the root, bound), all ns, from (sent, root's answer, received) echoes: the shortest counts."""
    sent, root, received = min(echoes, key=lambda e: e[2] - e[0])
    middle = (sent + received) // 2
    return middle, middle - root, (received - sent + 1) // 2


class Timeline:
    """``clocks``: (local ns, offset ns, bound ns) measurements, offset = local - root; at least one."""

    def __init__(self, t0_root_ns: int, epoch_ns: int, clocks: list) -> None:
        if not clocks:
            raise ValueError("no clock measurement")
        self.t0_root_ns, self.epoch_ns = t0_root_ns, epoch_ns
        self.clocks = sorted(tuple(c) for c in clocks)
        self._at = [c[0] for c in self.clocks]

    @classmethod
    def from_events(cls, events: list) -> "Timeline":
        """From the event log of a spool. ValueError when it holds no grid or no clock measurement."""
        grids = [e for e in events if e["type"] == "grid"]
        if not grids:
            raise ValueError("sampling never started")
        clocks = [
            (e["mono_ns"], e["offset_ns"], e["bound_ns"]) for e in events if e["type"] == "clock"
        ]
        return cls(grids[0]["t0_ns"], grids[0]["epoch_ns"], clocks)

    def offset_ns(self, mono_ns: int) -> int:
        """This node's clock minus the root's at local time ``mono_ns``, interpolated."""
        i = bisect_right(self._at, mono_ns)
        if i == 0:
            return int(self.clocks[0][1])
        a = self.clocks[i - 1]
        if i == len(self.clocks):
            return int(a[1])
        b = self.clocks[i]
        return int(a[1] + (b[1] - a[1]) * (mono_ns - a[0]) // (b[0] - a[0]))

    def bound_ns(self, mono_ns: int) -> int:
        """How far off ``offset_ns`` may be; grows with the distance from the nearest measurements."""
        if len(self.clocks) == 1 and self.clocks[0][2] == 0:
            return 0  # the root itself
        i = bisect_right(self._at, mono_ns)
        near = self.clocks[max(i - 1, 0) : i + 1]
        return int(min(c[2] + abs(mono_ns - c[0]) * DRIFT_PPM // 1000000 for c in near))

    def utc_ns(self, mono_ns: int) -> int:
        """UTC on the common time line, ns since the epoch."""
        return self.epoch_ns + mono_ns - self.offset_ns(mono_ns) - self.t0_root_ns
