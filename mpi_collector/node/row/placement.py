"""Where a row goes in an array that is smaller than the run is long.

``decimate``: at level L only ticks divisible by 2^L are kept. L depends on the tick alone, so every host is at the same
level at the same tick even when one of them missed some. Rows never move: the slots of ticks that no longer count are
used again.
"""

from array import array

POLICIES = ("decimate", "ring", "stop")


def level_of(tick: int, capacity: int) -> int:
    """The smallest L at which the kept ticks 0 .. ``tick`` fit into ``capacity`` rows. ValueError for no rows."""
    if not capacity >= 1:  # of a damaged event log; it would shift for ever
        raise ValueError("no room for ticks: %r" % (capacity,))
    level = 0
    while (tick >> level) >= capacity:
        level += 1
    return level


class Placement:
    """Maps ticks to row slots. ``place`` must be called with rising ticks."""

    def __init__(self, policy: str, capacity: int) -> None:
        if policy not in POLICIES:
            raise ValueError("when full: %r is none of %s" % (policy, ", ".join(POLICIES)))
        if capacity < 2:
            raise ValueError("an array needs 2 rows at least, not %d" % capacity)
        self.policy, self.capacity = policy, capacity
        self.level = 0
        self._taken = array("q")
        self._scan = 0
        self._count = 0

    def place(self, tick: int) -> int:
        """Row slot for ``tick``, or -1 when this tick is not kept."""
        if self.policy == "ring":
            slot = self._count % self.capacity
        elif self.policy == "stop":
            slot = self._count if self._count < self.capacity else -1
        else:
            slot = self._decimated(tick)
        if slot >= 0:
            self._count += 1
        return slot

    def _decimated(self, tick: int) -> int:
        level = level_of(tick, self.capacity)
        if level != self.level:
            self.level, self._scan = level, 0
        mask = (1 << level) - 1
        if tick & mask:
            return -1
        taken = self._taken
        if len(taken) < self.capacity:
            taken.append(tick)
            return len(taken) - 1
        slot = self._scan
        while not taken[slot] & mask:  # a level frees at least as many slots as it will need
            slot += 1
        self._scan = slot + 1
        taken[slot] = tick
        return slot

    def pace(self, tick: int) -> tuple:
        """(every how many ticks to sample from ``tick`` on, the tick up to which that holds)."""
        if self.policy != "decimate":
            return 1, 1 << 62
        level = level_of(tick, self.capacity)
        return 1 << level, self.capacity << level
