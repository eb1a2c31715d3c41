"""Read expensive sources less often than at every tick."""

from ..compat import mono_ns
from ..status import SKIPPED, SLOW, status_of
from .readable import OpenSource
from .worker import BlockingReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .readable import Readable

_EVERY_MAX = 64  #: a throttled source is read at one tick in 64, at least
_WEIGHT = 8  #: readings over which the cost of a source is averaged
_FEW = 3  #: readings that suffice where the mean is far above the budget
_FAR_ABOVE = 2  #: budgets
_OUTLIER = 4  #: budgets that one reading counts at most: a single hang says little about the others


class Throttled(OpenSource):
    """A source that is read at every n-th tick, and less often while it exceeds its time budget.

    When its mean cost, spread over the ticks it stands for, exceeds ``budget_us`` (0: no budget),
    it is read half as often, down to every 64th tick. Below a quarter of the budget it is read
    twice as often again, up to every ``every``-th tick. Eight readings decide, three where the cost
    is far above the budget. Either way ``on_event`` receives ``slowed``. ``every``, a power of two:
    the present distance. ``clock``: monotonic nanoseconds. ``apart_s``: readings are not further
    apart than so, whatever they cost, unless the ticks are (0: no limit).
    """

    def __init__(
        self,
        inner: "Readable",
        name: str,
        every: int,
        budget_us: int,
        clock: "Callable[[], int]" = mono_ns,
        apart_s: float = 0.0,
    ) -> None:
        self._inner = inner
        self._notices = inner.notices
        self._name = name
        self._least_every = every
        self._budget_ns = budget_us * 1000
        self._clock = clock
        self._apart_ns = apart_s * 1e9
        self._mean_ns = 0.0
        self._last = (-1, 0)  # tick and time of the last reading, -1: of none
        self._tick_ns = 0.0
        self._reads = 0
        self.every = every
        self.tells = True  #: ``on_event`` receives ``slowed``; else a slow reading is a skipped one

    def first(self) -> bytes:
        text = self._inner.first()
        self.capacity = self._inner.capacity
        return text

    def read_into(self, view: memoryview, tick: int) -> int:
        """Return the bytes read into ``view``, or a negative status.

        The row of the stop (a negative tick) reads everything.
        """
        if tick % self.every and tick >= 0:
            return -SKIPPED
        begin = self._clock()
        try:
            n = int(self._inner.read(view))
        except OSError as e:
            n = -status_of(e)
        if n == -SLOW and not self.tells:
            n = -SKIPPED  # it is due at no tick in particular
        if self._notices:
            self._tell(tick)
        if self._budget_ns:
            cost_ns = (
                self._inner.cost_ns
                if isinstance(self._inner, BlockingReader)
                else self._clock() - begin
            )
            if tick > self._last[0] >= 0:
                self._tick_ns = (begin - self._last[1]) / (tick - self._last[0])
            self._last = (tick, begin)
            if cost_ns:
                self._account(cost_ns, tick)
        return n

    def _tell(self, tick: int) -> None:
        """Pass on what people should know, and events."""
        while self._notices and self.on_event is not None:
            found = self._notices.pop(0)
            if isinstance(found, str):
                found = {"type": "notice", "text": found}
            self.on_event(dict(found, source=self._name, tick=tick))

    def _account(self, cost_ns: int, tick: int) -> None:
        """Add a reading to the mean cost, and change the pace when that is due."""
        cost_ns = min(cost_ns, _OUTLIER * self._budget_ns * self.every // self._least_every)
        self._mean_ns += (cost_ns - self._mean_ns) / min(self._reads + 1, _WEIGHT)
        self._reads += 1
        share_ns = self._mean_ns * self._least_every / self.every
        far_above = share_ns > _FAR_ABOVE * self._budget_ns
        if self._reads < (_FEW if far_above else _WEIGHT):
            return
        if share_ns > self._budget_ns and self.every < _EVERY_MAX and not self._far_apart():
            self._pace(2 * self.every, tick)
        # a quarter: read twice as often it is at half the budget, well below it
        elif share_ns < self._budget_ns / 4 and self.every > self._least_every:
            self._pace(self.every // 2, tick)

    def _far_apart(self) -> bool:
        """Return whether readings at twice the distance would be further apart than allowed."""
        return 0 < self._apart_ns < 2 * self.every * self._tick_ns

    def _pace(self, every: int, tick: int) -> None:
        self.every = every
        self._reads = 0
        if self.on_event is not None and self.tells:
            self.on_event(
                {
                    "type": "slowed",
                    "source": self._name,
                    "every": every,
                    "tick": tick,
                    "cost_us": int(self._mean_ns / 1000),
                }
            )

    def close(self) -> None:
        self._inner.close()
