"""From the text of the kernel files to the int64 values of a row."""

import struct
from operator import itemgetter

from ..status import MALFORMED, OK
from .layout import LABEL, MISSING, Cell, DeviceTable, Field, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


COLLECTOR_FIELDS = (
    Field(
        "cpu_ns",
        "ns",
        "counter",
        "CPU time of the sampling process, user and system (CLOCK_PROCESS_CPUTIME_ID)",
    ),
    Field(
        "rss_bytes",
        "bytes",
        "gauge",
        "resident memory of the sampling process (/proc/self/statm), now and then",
    ),
)


def _getter(positions: list) -> "Callable[[list], tuple]":
    if len(positions) > 1:
        return itemgetter(*positions)
    if positions:
        only = positions[0]
        return lambda tokens: (tokens[only],)
    return lambda tokens: ()


class Plan:
    """How to take the values out of a text of one shape.

    ``runs``: (first column, last column + 1, first value, last value + 1) copies from the value list to the row.
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
        self, tokens: list, label_at: list, value_at: list, columns: list, problems: list
    ) -> None:
        self.count = len(tokens)
        self.label_at, self.value_at = label_at, value_at
        self.labels_of, self.values_of = _getter(label_at), _getter(value_at)
        self.labels = self.labels_of(tokens)
        self.problems = problems
        self.runs: list = []
        start = 0
        for i in range(1, len(columns) + 1):
            if i == len(columns) or columns[i] != columns[i - 1] + 1:
                self.runs.append((columns[start], columns[i - 1] + 1, start, i))
                start = i

    def fits(self, tokens: list) -> bool:
        return len(tokens) == self.count and self.labels_of(tokens) == self.labels


class SourceDecoder:
    """Decodes the texts of one source. ``on_event(dict)`` hears of new devices and of what found no room."""

    def __init__(
        self, source: "Any", layout: "Layout", on_event: "Callable[[dict], object]"
    ) -> None:
        self.source = source
        self.tables = {t.name: t for t in layout.tables if t.source == source.name}
        self.plan: "Any" = None
        self._on_event = on_event
        self._lost: set = set()

    def decode(self, raw: bytes, row: "Any", tick: int) -> int:
        """Put the values of ``raw`` into ``row`` (a list of ints, MISSING where nothing is known). Returns a status."""
        return self.decode_text(self.source.prepare(raw), row, tick)

    def decode_text(self, text: bytes, row: "Any", tick: int) -> int:
        """The same for a text that is prepared already."""
        tokens = text.split()
        plan = self.plan
        if (
            plan is None or plan.problems or not plan.fits(tokens)
        ):  # what was no number may be one again
            plan = self.replan(text, tokens, tick)
        try:
            values = list(map(int, plan.values_of(tokens)))
        except ValueError:  # same labels, but a value stopped being a number
            plan = self.replan(text, tokens, tick)
            values = list(map(int, plan.values_of(tokens)))
        for first, last, a, b in plan.runs:
            row[first:last] = values[a:b]
        return MALFORMED if plan.problems or not (tokens or self.source.may_be_empty) else OK

    def replan(self, text: bytes, tokens: list, tick: int) -> "Plan":
        roles, problems = self.source.scan(text)
        label_at: list = []
        value_at: list = []
        columns: list = []
        for i, role in enumerate(roles):
            if role is LABEL:
                label_at.append(i)
            elif isinstance(role, Cell):
                column = self._column(role, tick)
                if column is not None:
                    value_at.append(i)
                    columns.append(column)
        self.plan = Plan(tokens, label_at, value_at, columns, problems)
        return self.plan  # type: ignore[no-any-return]

    def _column(self, cell: "Cell", tick: int) -> "Any":
        table = self.tables.get(cell.table if cell.table or cell.device == "" else DEVICES)
        if table is None or cell.field not in table.field_at:
            return self._lose(cell, "field", cell.field, tick)
        if cell.device not in table.slot_of:
            if not table.add_device(cell.device):
                return self._lose(cell, "device", cell.device, tick)
            self._on_event(
                {"type": "device", "source": table.source, "table": table.name, "device": cell.device,
                 "slot": table.slot_of[cell.device], "tick": tick}
            )  # fmt: skip
        return table.column(cell.device, cell.field)

    def _lose(self, cell: "Cell", what: str, name: str, tick: int) -> None:
        if (cell.table, what, name) not in self._lost:
            self._lost.add((cell.table, what, name))
            self._on_event(
                {
                    "type": "lost",
                    "source": self.source.name,
                    "what": what,
                    "name": name,
                    "tick": tick,
                }
            )


DEVICES = "devices"  #: name of a source's table of devices when the source gives it none


def declare(source: "Any", raw: bytes) -> list:
    """The tables of a source from its first text: fields in declared order first, devices as they come."""
    roles, _problems = source.scan(source.prepare(raw))
    seen: dict = {}
    for role in roles:
        if isinstance(role, Cell):
            key = role.table if role.table or role.device == "" else DEVICES
            fields, devices = seen.setdefault(key, ({}, {}))
            fields[role.field] = devices[role.device] = None
    if source.lists_devices and not seen:
        seen[DEVICES] = (dict.fromkeys(f.name for f in source.fields), {})
    tables = []
    for key, (fields, devices) in seen.items():
        order = [f.name for f in source.fields if f.name in fields]
        order += [name for name in fields if name not in order]
        spare = 0 if list(devices) == [""] else source.spare_slots(key, len(devices))
        tables.append(
            DeviceTable(
                source.name,
                key,
                [source.field(key, n) for n in order],
                devices,
                len(devices) + spare,
            )
        )
    return tables


def make_layout(sources: list, raws: list) -> "Layout":
    """The layout for these sources, each with the first text that was read of it."""
    tables = [t for source, raw in zip(sources, raws) for t in declare(source, raw)]
    tables.append(DeviceTable("collector", "", list(COLLECTOR_FIELDS), [""], 1))
    return Layout([s.name for s in sources], tables)


class RowDecoder:
    """Decodes all sources of a sample into one row of ``layout.width`` values."""

    def __init__(
        self, sources: list, layout: "Layout", on_event: "Callable[[dict], object]"
    ) -> None:
        self.layout = layout
        self.decoders = [SourceDecoder(s, layout, on_event) for s in sources]
        self._blank = [MISSING] * layout.width
        self._pack = struct.Struct("<%dq" % layout.width).pack

    def decode(self, raws: list, tick: int) -> tuple:
        """(row as a list of ints, [status per source]). ``raws``: bytes per source, or an int status for one not read."""
        row = self._blank[:]
        statuses = []
        for decoder, raw in zip(self.decoders, raws):
            statuses.append(raw if isinstance(raw, int) else decoder.decode(raw, row, tick))
        return row, statuses

    def to_bytes(self, row: list) -> bytes:
        """The row as little-endian int64; counters above 2^63 wrap modulo 2^64."""
        try:
            return self._pack(*row)
        except struct.error:
            return self._pack(*[wrap(v) for v in row])


def wrap(value: int) -> int:
    """``value`` modulo 2^64 as a signed int64."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value
