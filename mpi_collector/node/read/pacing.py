"""Read expensive sources less often than at every tick."""

from ..compat import mono_ns
from ..status import SKIPPED, status_of
from .worker import BlockingReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_EVERY_MAX = 64


_WEIGHT = 8  #: samples over which a source's cost is averaged


_OUTLIER = 4  #: budgets that a single reading counts at most: one that hung for a minute says nothing of the others


class Throttled:
    """Reads at every n-th tick. A source that costs more than its budget, spread over the ticks it is read for, is read half as
    often, and as often as before when it has become cheap again; both are told.
    """

    fd = -1
    whole_below = 0

    def __init__(self, inner: "Any", name: str, every: int, budget_us: int) -> None:
        self._inner, self._name = inner, name
        self._every, self._budget_ns = every, budget_us * 1000
        self.every = every
        self._mean_ns = 0.0
        self._reads = 0
        self.on_event: "Any" = None

    @property
    def capacity(self) -> int:
        return self._inner.capacity  # type: ignore[no-any-return]

    def first(self) -> bytes:
        return self._inner.first()  # type: ignore[no-any-return]

    def read_into(self, view: memoryview, tick: int) -> int:
        """Bytes, or a negative status. The row of the stop (a negative tick) reads everything."""
        if tick % self.every and tick >= 0:
            return -SKIPPED
        begin = mono_ns()
        try:
            n = int(self._inner.read(view))
        except OSError as e:
            n = -status_of(e)
        if self._budget_ns:
            cost_ns = (
                self._inner.cost_ns
                if isinstance(self._inner, BlockingReader)
                else mono_ns() - begin
            )
            if cost_ns:
                self._account(cost_ns, tick)
        return n

    def _account(self, cost_ns: int, tick: int) -> None:
        cost_ns = min(cost_ns, _OUTLIER * self._budget_ns * self.every // self._every)
        self._mean_ns += (cost_ns - self._mean_ns) / min(self._reads + 1, _WEIGHT)
        self._reads += 1
        if self._reads < _WEIGHT:
            return
        share_ns = self._mean_ns * self._every / self.every
        if share_ns > self._budget_ns and self.every < _EVERY_MAX:
            self._pace(2 * self.every, tick)
        elif (
            self.every > self._every and share_ns < self._budget_ns / 4
        ):  # twice that at half the divisor: still well below
            self._pace(self.every // 2, tick)

    def _pace(self, every: int, tick: int) -> None:
        self.every, self._reads = every, 0
        if self.on_event is not None:
            self.on_event({"type": "slowed", "source": self._name, "every": every, "tick": tick,
                           "cost_us": int(self._mean_ns / 1000)})  # fmt: skip

    def close(self) -> None:
        self._inner.close()
