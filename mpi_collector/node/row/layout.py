"""The layout of a row: which int64 belongs to which metric of which device."""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NamedTuple

MISSING = -(2**63)  #: a value that is not known; never 0
STOP_TICK = -1  #: tick of the extra row taken at the stop
DEVICES = "devices"  #: name of a source's table of devices where the source gives it none

if TYPE_CHECKING:

    class Field(NamedTuple):
        name: str
        unit: str
        kind: str
        doc: str

    class Column(NamedTuple):
        name: str
        unit: str
        kind: str
        source: str
        table: str
        device: "str | None"
        field: str

else:
    Field = namedtuple("Field", "name unit kind doc")
    Column = namedtuple("Column", "name unit kind source table device field")

Field.__doc__ = """One metric of a table: kernel name, unit, kind (counter or gauge), meaning."""
Column.__doc__ = """One int64 of a row. ``name``: ``source.field`` or ``source.device.field``."""


class DeviceTable:
    """Devices x fields of one source. A table of scalars has one device, whose name is empty.

    ``devices``: names in slot order; ``slots`` (>= len(devices)): devices that there is room for;
    ``base``: the table's first column. Columns are in device-major order: all fields of slot 0,
    then all of slot 1, and so on. ValueError when there are more devices than slots.
    """

    def __init__(
        self,
        source: str,
        name: str,
        fields: "Sequence[Field]",
        devices: "Iterable[str]",
        slots: int,
        base: int = 0,
    ) -> None:
        self.source = source
        self.name = name
        self.slots = slots
        self.base = base
        self.fields = list(fields)
        self.devices = list(devices)
        if len(self.devices) > slots:
            raise ValueError("%s: %d devices in %d slots" % (source, len(self.devices), slots))
        self.field_at = {f.name: i for i, f in enumerate(self.fields)}
        self.slot_of = {d: i for i, d in enumerate(self.devices)}

    @property
    def width(self) -> int:
        """Columns, those of spare slots included."""
        return self.slots * len(self.fields)

    def column(self, device: str, field: str) -> int:
        """Return the column of a metric. KeyError for an unknown device or field."""
        return self.base + self.slot_of[device] * len(self.fields) + self.field_at[field]

    def add_device(self, device: str) -> bool:
        """Give a new device a spare slot. Return False when none is left."""
        if len(self.devices) >= self.slots:
            return False
        self.slot_of[device] = len(self.devices)
        self.devices.append(device)
        return True

    def to_dict(self) -> "dict[str, Any]":
        """Return the table as JSON has it."""
        return {
            "source": self.source,
            "table": self.name,
            "fields": [list(f) for f in self.fields],
            "devices": list(self.devices),
            "slots": self.slots,
        }


class Layout:
    """All tables of a row, one behind the other.

    ``sources``: names in reading order; ``width``: int64 values in a row.
    """

    def __init__(self, sources: "Iterable[str]", tables: "Iterable[DeviceTable]") -> None:
        self.sources = list(sources)
        self.tables = list(tables)
        self.by_key: "dict[tuple[str, str], DeviceTable]" = {}
        base = 0
        for table in self.tables:
            table.base = base
            base += table.width
            self.by_key[(table.source, table.name)] = table
        self.width = base

    def columns(self) -> "list[Column]":
        """Return a Column per value of a row. A spare slot that is free has the device None."""
        out = []
        for t in self.tables:
            for slot in range(t.slots):
                device = t.devices[slot] if slot < len(t.devices) else None
                for f in t.fields:
                    parts = (t.source, f.name) if device == "" else (t.source, str(device), f.name)
                    name = ".".join(parts)
                    out.append(Column(name, f.unit, f.kind, t.source, t.name, device, f.name))
        return out

    def to_dict(self) -> "dict[str, Any]":
        """Return the layout as JSON has it."""
        return {"sources": self.sources, "tables": [t.to_dict() for t in self.tables]}

    @classmethod
    def from_dict(cls, doc: "dict[str, Any]") -> "Layout":
        """Return the layout that ``to_dict`` wrote. ValueError, KeyError, TypeError if damaged."""
        tables = [
            DeviceTable(
                t["source"],
                t["table"],
                [Field(*f) for f in t["fields"]],
                t["devices"],
                int(t["slots"]),
            )
            for t in doc["tables"]
        ]
        return cls(doc["sources"], tables)
