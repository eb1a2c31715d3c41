"""The live vector: what a host sends of its newest sample while it is recorded (``--live``).

A vector has the growth of a few counters, and a few levels, between the newest sample and the one
that the previous vector was made of. It is made of texts that lie in the spool already; nothing is
read from the kernel for it, and no figure is computed here.
"""

import json
import select

from ..compat import mono_ns
from ..errors import SpoolError
from ..forms import COUNT, INT64_MAX, MOMENT, Items, Maybe, Record, Whole
from ..row.decode import SourceDecoder
from ..row.layout import MISSING, Layout
from ..spool.format import StageHeader
from ..spool.stage import StagedTexts
from ..table.counted import count_disks, count_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from ..read.probe import Probe
    from ..sample.sampler import Sampler
    from ..spool.writer import Spool

#: what a vector holds, in this order: (source, device, field); of the device ``*`` the sum over
#: those that count in totals
LIVE_COLUMNS = (
    ("stat", "cpu", "user"),
    ("stat", "cpu", "nice"),
    ("stat", "cpu", "system"),
    ("stat", "cpu", "idle"),
    ("stat", "cpu", "iowait"),
    ("stat", "cpu", "irq"),
    ("stat", "cpu", "softirq"),
    ("stat", "cpu", "steal"),
    ("diskstats", "*", "sectors_read"),
    ("diskstats", "*", "sectors_written"),
    ("diskstats", "*", "reads_completed"),
    ("diskstats", "*", "writes_completed"),
    ("netdev", "*", "rx_bytes"),
    ("netdev", "*", "tx_bytes"),
    ("meminfo", "", "MemTotal"),
    ("meminfo", "", "MemAvailable"),
    ("pressure", "", "cpu.some_us"),
    ("pressure", "", "io.some_us"),
    ("pressure", "", "memory.some_us"),
    ("diskstats", "*", "time_reading_ms"),
    ("diskstats", "*", "time_writing_ms"),
    ("diskstats", "*", "weighted_time_doing_ios_ms"),
    ("meminfo", "", "Dirty"),
)
LIVE_BYTES = 200  #: of a vector as JSON; the last values of a longer one are left out
LIVE_LEVELS = ("meminfo",)  #: sources of which a vector has levels, not growth
_SOURCES = {source for source, _device, _field in LIVE_COLUMNS}
_TRIES = 5
_TRY_S = 0.002

#: ``tick``: of the sample; ``missed``: ticks so far; ``ns``: between the two samples, 0: there is
#: no new one, or it is the first; ``grown``: as LIVE_COLUMNS, null where unknown
LIVE_VECTOR = Record(
    {
        "tick": Whole(-1, INT64_MAX),
        "missed": COUNT,
        "ns": MOMENT,
        "grown": Items(Maybe(Whole()), len(LIVE_COLUMNS)),
    }
)
NO_VECTOR = {"tick": -1, "missed": 0, "ns": 0, "grown": []}  # type: dict[str, Any]


class LiveReader:
    """Makes the vectors of one host. ``topology``: what sysfs says of its devices.

    Not for several threads at a time; the sampling thread is not held up.
    """

    def __init__(
        self, probe: "Probe", spool: "Spool", sampler: "Sampler", topology: "dict[str, Any]"
    ) -> None:
        layout = Layout.from_dict(probe.layout.to_dict())  # devices that come are added to it
        self._spool = spool
        self._sampler = sampler
        self._topology = topology
        self._blank = [MISSING] * layout.width
        self._decoders = [
            (i, SourceDecoder(source, layout, lambda event: None))
            for i, source in enumerate(probe.sources)
            if source.name in _SOURCES
        ]
        self._layout = layout
        self._row: "list[int] | None" = None
        self._begin_ns = 0

    def take(self) -> "dict[str, Any]":
        """Return the vector of the newest sample (LIVE_VECTOR). SpoolError when it is in motion."""
        header, texts = self._newest()
        sampler = self._sampler
        out = dict(NO_VECTOR, tick=sampler.last_tick, missed=sampler.missed)
        if header.begin_mono_ns == self._begin_ns:
            return out
        row = self._blank[:]
        for i, decoder in self._decoders:
            text = texts.texts[i]
            if isinstance(text, bytes) and not texts.cut[i]:
                decoder.decode(_needed(decoder.source.name, text), row, out["tick"])
        before, self._row = self._row, row
        if before is not None:
            out["ns"] = header.begin_mono_ns - self._begin_ns
            out["grown"] = self._grown(before, row)
        self._begin_ns = header.begin_mono_ns
        return within_bytes(out)

    def _newest(self) -> "tuple[StageHeader, StagedTexts]":
        """Return a copy of the newest stage slot, which is overwritten at the next tick at best."""
        sampler, shape, view = self._sampler, self._spool.shape, self._spool.view
        grid = sampler.grid
        for _ in range(_TRIES):
            taken, base = sampler.taken, sampler.newest()
            if base is None or grid is None:
                break
            next_ns = grid.t0_ns + (sampler.last_tick + 1) * grid.interval_ns
            header = StageHeader(view, base, shape)
            texts = StagedTexts(view, base, shape, header.sizes)
            if sampler.taken == taken and mono_ns() < next_ns:
                return header, texts
            select.select((), (), (), _TRY_S)
        raise SpoolError("no sample at rest")

    def _grown(self, before: "Sequence[int]", row: "Sequence[int]") -> "list[int | None]":
        counted: "dict[str, list[str]]" = {}
        out: "list[int | None]" = []
        for source, device, field in LIVE_COLUMNS:
            if device == "*":
                if source not in counted:
                    counted[source] = self._counted(source, before, row)
                columns = [(d, field) for d in counted[source]]
            else:
                columns = [(device, field)]
            out.append(self._sum(source, columns, before, row))
        return out

    def _sum(
        self,
        source: str,
        columns: "list[tuple[str, str]]",
        before: "Sequence[int]",
        row: "Sequence[int]",
    ) -> "int | None":
        """Return the growth of columns, or their level; None where it is unknown."""
        total = 0
        known = False
        for device, field in columns:
            at = self._column(source, device, field)
            if at is None:
                return None
            new, old = row[at], before[at]
            if source in LIVE_LEVELS:
                return None if new == MISSING else new
            if new == MISSING and old == MISSING:
                continue  # the device was not there
            if new == MISSING or old == MISSING or (new < old and source != "stat"):
                return None
            total += new - old
            known = True
        return total if known else None

    def _column(self, source: str, device: str, field: str) -> "int | None":
        if source == "pressure":
            device, _, field = field.partition(".")
        for table in self._layout.tables:
            if table.source == source and device in table.slot_of and field in table.field_at:
                return table.column(device, field)
        return None

    def _counted(self, source: str, before: "Sequence[int]", row: "Sequence[int]") -> "list[str]":
        """Return the devices that count in totals, by sysfs and by what they moved since then."""
        is_disk = source == "diskstats"
        moved_by = ("sectors_read", "sectors_written") if is_disk else ("rx_bytes", "tx_bytes")
        names = [d for t in self._layout.tables if t.source == source for d in t.devices]

        def moved(name: str) -> float:
            found = [self._column(source, name, field) for field in moved_by]
            return float(sum(max(row[at], 0) for at in found if at is not None))

        count = count_disks if is_disk else count_interfaces
        return count(names, self._topology.get("block" if is_disk else "net"), moved).devices


def _needed(source: str, text: bytes) -> bytes:
    """Return the part of a text that vectors are made of: of CPUs the line of all of them."""
    return text[: text.find(b"\n") + 1] if source == "stat" else text


def within_bytes(vector: "dict[str, Any]") -> "dict[str, Any]":
    """Return a vector of LIVE_BYTES at most: the last values of a longer one become unknown."""
    grown = vector["grown"]
    while len(json.dumps(vector, separators=(",", ":"))) > LIVE_BYTES and grown:
        grown.pop()
    return vector
