"""Decode stage slots into rows of the spool."""

from ..row.layout import STOP_TICK
from ..spool.format import tick_at
from ..spool.stage import staged_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..row.decode import RowDecoder
    from ..row.placement import Placement
    from ..spool.format import SpoolShape
    from ..spool.writer import Spool

    #: a staged sample to decode: tick, slot of its row, offset of its stage slot
    Wanted = tuple[int, int, int]


class RowWriter:
    """Decodes stage slots into rows of the spool; the row of the stop goes to ``stop_slot``."""

    def __init__(
        self, spool: "Spool", decoder: "RowDecoder", placement: "Placement", stop_slot: int
    ) -> None:
        self._spool = spool
        self._decoder = decoder
        self._placement = placement
        self._stop_slot = stop_slot
        # BatchDecoder decodes all slots at once
        self._decode_stage: "Callable[[memoryview, SpoolShape, list[Wanted]], Iterable[bytes]]" = (
            getattr(decoder, "decode_stage", self._one_by_one)
        )

    def write(self, bases: "list[int]") -> None:
        """Write the rows of the stage slots at the offsets ``bases``."""
        wanted: "list[Wanted]" = []
        for base in bases:
            tick = tick_at(self._spool.mm, base)
            slot = self._stop_slot if tick == STOP_TICK else self._placement.place(tick)
            if slot >= 0:
                wanted.append((tick, slot, base))
        payloads = self._decode_stage(self._spool.view, self._spool.shape, wanted)
        for (tick, slot, _base), payload in zip(wanted, payloads):
            self._spool.write_row(slot, tick, payload)

    def _one_by_one(
        self, view: memoryview, shape: "SpoolShape", wanted: "list[Wanted]"
    ) -> "Iterable[bytes]":
        for tick, _slot, base in wanted:
            yield staged_row(view, base, shape, self._decoder, tick)
