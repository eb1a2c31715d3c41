"""Place rows in an array that has fewer slots than the run has ticks.

Policies: ``ring`` keeps the newest rows, ``stop`` the oldest. ``decimate`` keeps, at level L, only
ticks divisible by 2^L. L depends on the tick alone, so all hosts are at the same level at the same
tick even when one of them missed ticks. Rows never move: the slots of ticks that are no longer kept
are reused.
"""

from array import array

POLICIES = ("decimate", "ring", "stop")


def level_of(tick: int, capacity: int) -> int:
    """Return the smallest L at which the kept ticks 0 .. ``tick`` fit into ``capacity`` rows.

    ValueError when ``capacity`` is not positive.
    """
    if not capacity >= 1:  # from a damaged event log (NaN too); the loop would not end
        raise ValueError("no room for ticks: %r" % (capacity,))
    level = 0
    while (tick >> level) >= capacity:
        level += 1
    return level


class Placement:
    """Maps ticks to row slots. ``place`` must be called with increasing ticks.

    ValueError for an unknown policy or fewer than 2 rows.
    """

    def __init__(self, policy: str, capacity: int) -> None:
        if policy not in POLICIES:
            raise ValueError("when full: %r is none of %s" % (policy, ", ".join(POLICIES)))
        if capacity < 2:
            raise ValueError("an array needs 2 rows at least, not %d" % capacity)
        self.policy = policy
        self.capacity = capacity
        self.level = 0
        self._taken = array("q")
        self._scan = 0
        self._count = 0

    def place(self, tick: int) -> int:
        """Return the row slot for ``tick``, -1 when this tick is not kept."""
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
            self.level = level
            self._scan = 0
        mask = (1 << level) - 1
        if tick & mask:
            return -1
        taken = self._taken
        if len(taken) < self.capacity:
            taken.append(tick)
            return len(taken) - 1
        slot = self._scan
        while not taken[slot] & mask:  # ends: a level frees at least as many slots as it needs
            slot += 1
        self._scan = slot + 1
        taken[slot] = tick
        return slot

    def pace(self, tick: int) -> "tuple[int, int]":
        """Return (stride of the ticks to sample from ``tick`` on, tick up to which it holds)."""
        if self.policy != "decimate":
            return 1, 1 << 62
        level = level_of(tick, self.capacity)
        return 1 << level, self.capacity << level
