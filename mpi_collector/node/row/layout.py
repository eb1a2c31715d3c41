"""TODO"""

from collections import namedtuple

MISSING = -(2**63)  #: a value that was not there; never 0


STOP_TICK = -1  #: tick of the extra row taken at the stop


Field = namedtuple("Field", "name unit kind doc")


Field.__doc__ = """One metric of one device: kernel name, unit, kind ("counter" or "gauge"), meaning with its source."""


Column = namedtuple("Column", "name unit kind source table device field")


Column.__doc__ = """One int64 of a row. ``name`` is ``source.field`` or ``source.device.field``."""


class DeviceTable:
    """Devices x fields of one source; a table of scalars has one device whose name is empty.

    ``devices``: names in slot order, ``slots`` (>= len(devices)) of them have room. ``base``: first column.
    """

    def __init__(
        self, source: str, name: str, fields: list, devices: list, slots: int, base: int = 0
    ) -> None:
        if len(devices) > slots:
            raise ValueError("%s: %d devices in %d slots" % (source, len(devices), slots))
        self.source, self.name, self.slots, self.base = source, name, slots, base
        self.fields = list(fields)
        self.devices = list(devices)
        self.field_at = {f.name: i for i, f in enumerate(self.fields)}
        self.slot_of = {d: i for i, d in enumerate(self.devices)}

    @property
    def width(self) -> int:
        return self.slots * len(self.fields)

    def column(self, device: str, field: str) -> int:
        """Column of a metric; KeyError when the device has no slot or the field was not declared."""
        return self.base + self.slot_of[device] * len(self.fields) + self.field_at[field]

    def add_device(self, device: str) -> bool:
        """Give a new device a spare slot. False when none is left."""
        if len(self.devices) >= self.slots:
            return False
        self.slot_of[device] = len(self.devices)
        self.devices.append(device)
        return True

    def to_dict(self) -> dict:
        return {
            "source": self.source,
            "table": self.name,
            "fields": [list(f) for f in self.fields],
            "devices": list(self.devices),
            "slots": self.slots,
        }


class Layout:
    """All tables of a row. ``sources``: names in reading order; ``width``: number of int64 values in a row."""

    def __init__(self, sources: list, tables: list) -> None:
        self.sources = list(sources)
        self.tables = list(tables)
        self.by_key: dict = {}
        base = 0
        for table in self.tables:
            table.base = base
            base += table.width
            self.by_key[(table.source, table.name)] = table
        self.width = base

    def columns(self) -> list:
        """A Column per value of a row; spare slots that nobody took have the device name ``None``."""
        out = []
        for t in self.tables:
            for slot in range(t.slots):
                device = t.devices[slot] if slot < len(t.devices) else None
                for f in t.fields:
                    parts = (t.source, f.name) if device == "" else (t.source, str(device), f.name)
                    out.append(
                        Column(".".join(parts), f.unit, f.kind, t.source, t.name, device, f.name)
                    )
        return out

    def to_dict(self) -> dict:
        return {"sources": self.sources, "tables": [t.to_dict() for t in self.tables]}

    @classmethod
    def from_dict(cls, doc: dict) -> "Layout":
        """The layout that ``to_dict`` wrote. ValueError, KeyError or TypeError when it is damaged."""
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


Cell = namedtuple("Cell", "table device field")


Cell.__doc__ = (
    """A token that is a value: table ("" or a name), device ("" in a table of scalars), field."""
)


LABEL = "label"  #: a token that stays the same while the shape of the file does


IGNORE = "ignore"  #: a token that may change and is not kept
