"""From the text of the kernel files to the int64 values of a row."""

import struct
from operator import itemgetter

from ..status import MALFORMED, OK
from .layout import DEVICES, MISSING, DeviceTable, Field, Layout
from .scan import LABEL, Cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol

    from .scan import Scan

    class Decodable(Protocol):
        """What decoding needs of a source (node/sources/base.py)."""

        name: str
        fields: "tuple[Field, ...]"
        lists_devices: bool
        may_be_empty: bool

        def prepare(self, raw: bytes) -> bytes: ...
        def scan(self, text: bytes) -> "Scan": ...
        def field(self, table: str, name: str) -> "Field": ...
        def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]": ...
        def later_fields(self) -> "dict[str, tuple[str, ...]]": ...
        def spare_slots(self, table: str, devices: int) -> int: ...

    class Row(Protocol):
        """A row that takes runs of values."""

        def __setitem__(self, where: slice, values: "list[int]") -> None: ...


COLLECTOR_FIELDS = (
    Field(
        "cpu_ns",
        "ns",
        "counter",
        "CPU time of the sampling process, in somebody else's program of its thread",
    ),
    Field(
        "rss_bytes",
        "bytes",
        "gauge",
        "resident memory of the sampling process (/proc/self/statm), updated at intervals",
    ),
)


def _getter(positions: "Sequence[int]") -> "Callable[[list[bytes]], tuple[bytes, ...]]":
    """Return a function that picks the tokens at ``positions``, always as a tuple."""
    if len(positions) > 1:
        return itemgetter(*positions)
    if positions:
        only = positions[0]
        return lambda tokens: (tokens[only],)
    return lambda tokens: ()


class Plan:
    """How to take the values out of a text of one shape.

    A text fits when it has as many tokens and the same labels. ``runs``: (first column,
    last column + 1, first value, last value + 1) copies from the list of values to the row.
    """

    __slots__ = (
        "count",
        "label_at",
        "labels",
        "labels_of",
        "problems",
        "runs",
        "value_at",
        "values_of",
    )

    def __init__(
        self,
        tokens: "list[bytes]",
        label_at: "list[int]",
        value_at: "list[int]",
        columns: "list[int]",
        problems: "list[str]",
    ) -> None:
        self.count = len(tokens)
        self.label_at = label_at
        self.value_at = value_at
        self.labels_of = _getter(label_at)
        self.values_of = _getter(value_at)
        self.labels = self.labels_of(tokens)
        self.problems = problems
        self.runs: "list[tuple[int, int, int, int]]" = []
        start = 0
        for i in range(1, len(columns) + 1):
            if i == len(columns) or columns[i] != columns[i - 1] + 1:
                self.runs.append((columns[start], columns[i - 1] + 1, start, i))
                start = i

    def fits(self, tokens: "list[bytes]") -> bool:
        """Return whether the plan was made for a text of this shape."""
        return len(tokens) == self.count and self.labels_of(tokens) == self.labels


class SourceDecoder:
    """Decodes the texts of one source.

    ``on_event`` receives ``device`` (a new device has taken a spare slot) and ``lost`` (a device or
    field found no column), each once a name; of a source that loses more than LOST_MAX names only
    so many are told.
    """

    LOST_MAX = 64

    def __init__(
        self,
        source: "Decodable",
        layout: "Layout",
        on_event: "Callable[[dict[str, Any]], object]",
    ) -> None:
        self.source = source
        self.tables = {t.name: t for t in layout.tables if t.source == source.name}
        self.plan = Plan([], [], [], [], ["no text yet"])
        self._on_event = on_event
        self._lost: "set[tuple[str, str, str]]" = set()

    def decode(self, raw: bytes, row: "Row", tick: int) -> int:
        """Put the values of ``raw`` into ``row``, which is MISSING elsewhere. Return a status."""
        return self.decode_text(self.source.prepare(raw), row, tick)

    def decode_text(self, text: bytes, row: "Row", tick: int) -> int:
        """Decode a text that is prepared already."""
        tokens = text.split()
        plan = self.plan
        # A plan with problems is not used again: what was no number may be one now.
        if plan.problems or not plan.fits(tokens):
            plan = self.replan(text, tokens, tick)
        try:
            values = list(map(int, plan.values_of(tokens)))
        except ValueError:  # same labels, but a value stopped being a number
            plan = self.replan(text, tokens, tick)
            values = list(map(int, plan.values_of(tokens)))
        for first, last, a, b in plan.runs:
            row[first:last] = values[a:b]
        return MALFORMED if plan.problems or not (tokens or self.source.may_be_empty) else OK

    def replan(self, text: bytes, tokens: "list[bytes]", tick: int) -> "Plan":
        """Scan ``text`` and return the plan for its shape, which is kept for the texts to come."""
        scan = self.source.scan(text)
        label_at: "list[int]" = []
        value_at: "list[int]" = []
        columns: "list[int]" = []
        for i, role in enumerate(scan.roles):
            if role is LABEL:
                label_at.append(i)
            elif isinstance(role, Cell):
                column = self._column(role, tick)
                if column is not None:
                    value_at.append(i)
                    columns.append(column)
        self.plan = plan = Plan(tokens, label_at, value_at, columns, scan.problems)
        return plan

    def _column(self, cell: "Cell", tick: int) -> "int | None":
        table = self.tables.get(_table_name(cell))
        if table is None or cell.field not in table.field_at:
            self._lose(cell, "field", cell.field, tick)
            return None
        if cell.device not in table.slot_of:
            if not table.add_device(cell.device):
                self._lose(cell, "device", cell.device, tick)
                return None
            self._on_event(
                {
                    "type": "device",
                    "source": table.source,
                    "table": table.name,
                    "device": cell.device,
                    "slot": table.slot_of[cell.device],
                    "tick": tick,
                }
            )
        return table.column(cell.device, cell.field)

    def _lose(self, cell: "Cell", what: str, name: str, tick: int) -> None:
        key = (cell.table, what, name)
        if key not in self._lost and len(self._lost) < self.LOST_MAX:
            self._lost.add(key)
            self._on_event(
                {
                    "type": "lost",
                    "source": self.source.name,
                    "what": what,
                    "name": name,
                    "tick": tick,
                }
            )


def _table_name(cell: "Cell") -> str:
    """Return the name of a cell's table: its own, "" for scalars, or DEVICES."""
    return cell.table if cell.table or cell.device == "" else DEVICES


def declare(source: "Decodable", first: "bytes | None") -> "list[DeviceTable]":
    """Return the tables of a source as its first text shows them; None: it has yet to come.

    What the text has is declared, and what ``known_fields`` says will come later. The order of
    columns is decided here:

    * tables in the order in which the text first mentions them, then those that it does not have;
    * in a table the devices in the order in which they are found, then the spare slots, which new
      devices take as they appear;
    * of every device first the fields that the source declares, in declared order, then those that
      it does not know, in the order in which they are found.
    """
    raw = first or b""
    found: "dict[str, tuple[dict[str, None], dict[str, None]]]" = {}
    for role in source.scan(source.prepare(raw)).roles:
        if isinstance(role, Cell):
            fields, devices = found.setdefault(_table_name(role), ({}, {}))
            fields[role.field] = None
            devices[role.device] = None
    known = source.later_fields() if first is None else source.known_fields(raw)
    for key in known:
        found.setdefault(key, ({}, {}))
    if source.lists_devices and not found:
        found[DEVICES] = (dict.fromkeys(f.name for f in source.fields), {})
    tables = []
    for key, (fields, devices) in found.items():
        order = list(known.get(key, ()))
        order += [f.name for f in source.fields if f.name in fields and f.name not in order]
        order += [name for name in fields if name not in order]
        spare = 0 if list(devices) == [""] else source.spare_slots(key, len(devices))
        declared = [source.field(key, name) for name in order]
        tables.append(DeviceTable(source.name, key, declared, devices, len(devices) + spare))
    return tables


def make_layout(sources: "Sequence[Decodable]", raws: "Sequence[bytes | None]") -> "Layout":
    """Return the layout for these sources, given the first text of each, None where there is none.

    The sources in reading order, the collector's own columns last.
    """
    tables = [t for source, raw in zip(sources, raws) for t in declare(source, raw)]
    tables.append(DeviceTable("collector", "", COLLECTOR_FIELDS, [""], 1))
    return Layout([s.name for s in sources], tables)


class RowDecoder:
    """Decodes the texts of all sources at one tick into a row of ``layout.width`` values."""

    def __init__(
        self,
        sources: "Iterable[Decodable]",
        layout: "Layout",
        on_event: "Callable[[dict[str, Any]], object]",
    ) -> None:
        self.layout = layout
        self.decoders = [SourceDecoder(s, layout, on_event) for s in sources]
        self._blank = [MISSING] * layout.width
        self._pack = struct.Struct("<%dq" % layout.width).pack

    def decode(self, raws: "Iterable[bytes | int]", tick: int) -> "tuple[list[int], list[int]]":
        """Return (row, status of every source).

        ``raws``: the bytes of every source, or an int status for one that was not read.
        """
        row = self._blank[:]
        statuses = []
        for decoder, raw in zip(self.decoders, raws):
            statuses.append(raw if isinstance(raw, int) else decoder.decode(raw, row, tick))
        return row, statuses

    def to_bytes(self, row: "Sequence[int]") -> bytes:
        """Return the row as little-endian int64; counters above 2^63 wrap modulo 2^64."""
        try:
            return self._pack(*row)
        except struct.error:
            return self._pack(*[wrap(v) for v in row])


def wrap(value: int) -> int:
    """Return ``value`` modulo 2^64 as a signed int64."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value
