"""Which devices of a host went or came while it was recorded, and what is unknown of the others.

A device that its source does not list any more was removed by the machine: that is no gap in the
recording. A source that could not be read is one, and so is a field that is missing while the rest
of its device is there, or a GPU or port that is listed and does not answer any more.
"""

from array import array
from itertools import repeat
from operator import sub

from ..read.file_group import NO_ANSWER
from ..row.layout import MISSING
from ..status import OK
from .counted import count_disks, count_interfaces
from .topology import topology_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, Optional, TypedDict

    from .table import SampleTable

    Kind = Literal["disk", "interface", "mount", "gpu", "fabric"]
    #: begin and end, UTC ns: of the first row without a device, of the first with it again
    Absence = list[Optional[int]]
else:
    TypedDict = dict  # Python 3.6 has none; at run time the documents are plain dicts

#: source of devices that have figures of their own -> what they are
KINDS: "dict[str, Kind]" = {
    "diskstats": "disk",
    "netdev": "interface",
    "lustre": "mount",
    "nfs": "mount",
    "gpu": "gpu",
    "infiniband": "fabric",
    "slingshot": "fabric",
}
_TRAFFIC = {
    "diskstats": ("reads_completed", "writes_completed", "sectors_read", "sectors_written"),
    "netdev": ("rx_bytes", "tx_bytes"),
}
_STAYS = ("gpu",)  #: devices that the machine does not remove: those without an answer are unknown
_MISSING = array("q", [MISSING]).tobytes()  #: found four times as fast as among numbers
_ABSENCES = 16  #: of a device that are kept


class AbsentDevice(TypedDict):
    """A device that was not there all the time.

    ``counted``: totals count it. ``absent``: [begin, end] of each absence, UTC ns; begin is None
    where it was not there at the start, end where it was not at the stop.
    """

    source: str
    kind: "Kind"
    device: str
    counted: bool
    absent: "list[Absence]"


class UnknownCells(TypedDict):
    """Fields of a device that are missing in rows in which it was there.

    ``rows``: of the field with most; ``due``: in which they should be known.
    """

    source: str
    device: str
    counted: bool
    fields: "list[str]"
    rows: int
    due: int


def devices_in_part(table: "SampleTable") -> "tuple[list[AbsentDevice], list[UnknownCells]]":
    """Return the devices that were not there all the time, and what is unknown of those there."""
    absent: "list[AbsentDevice]" = []
    unknown: "list[UnknownCells]" = []
    counted = _Counted(table)
    try:
        times = table.utc_ns()
    except ValueError:  # sampling never started
        return absent, unknown
    silent = _silent(table)
    for source, kind in KINDS.items():
        rows = _rows_read(table, source)
        for device, columns in _columns(table, source).items():
            values = {f: table.column(at) for f, at in columns.items()}
            if not rows or not any(_MISSING in v.tobytes() for v in values.values()):
                continue
            there = [any(v[n] != MISSING for v in values.values()) for n in rows]
            first = there.index(True) if True in there else len(there)
            gone = _absences([times[n] for n in rows], there)
            if gone:
                absent.append(
                    {
                        "source": source,
                        "kind": kind,
                        "device": device,
                        "counted": counted(source, device),
                        "absent": gone,
                    }
                )
            if source in _STAYS or (source, device) in silent:
                there[first:] = [True] * (len(there) - first)
            unknown += _unknown(source, device, values, rows, there, counted)
    return absent, unknown


def _silent(table: "SampleTable") -> "set[tuple[str, str]]":
    """Return (source, device) of devices whose files were there and could not be read."""
    notices = [e for e in table.events if e["type"] == "notice" and NO_ANSWER in e["text"]]
    return {(e["source"], e["text"].partition(NO_ANSWER)[0]) for e in notices}


def _rows_read(table: "SampleTable", source: str) -> "list[int]":
    """Return the rows in which a source was read well."""
    if source not in table.layout.sources:
        return []
    status = table.source_head(table.layout.sources.index(source), "status")
    return [n for n, s in enumerate(status) if s == OK]


def _columns(table: "SampleTable", source: str) -> "dict[str, dict[str, int]]":
    """Return {device: {field: column}} of a source, of what is a device to people."""
    out: "dict[str, dict[str, int]]" = {}
    for t in table.layout.tables:
        for device in t.devices if t.source == source else ():
            if device and (source != "lustre" or device.startswith("llite/")):
                fields = out.setdefault(device, {})
                fields.update((f.name, t.column(device, f.name)) for f in t.fields)
    return out


def _absences(times: "list[int]", there: "list[bool]") -> "list[Absence]":
    """Return the absences of a device that was there at some time; ``there``: in each row."""
    out: "list[Absence]" = []
    if True not in there:
        return out
    before = True
    for n, now in enumerate(there):
        if before and not now:
            out.append([times[n] if n else None, None])
        elif now and not before:
            out[-1][1] = times[n]
        before = now
    return out[: _ABSENCES - 1] + out[-1:] if len(out) > _ABSENCES else out


def _unknown(
    source: str,
    device: str,
    values: "dict[str, array[int]]",
    rows: "list[int]",
    there: "list[bool]",
    counted: "Callable[[str, str], bool]",
) -> "Iterator[UnknownCells]":
    """Yield what is missing of a device while it was there, after it was known once."""
    most, due = 0, 0
    fields = []
    at = [n for n, now in zip(rows, there) if now]
    for name, column in values.items():
        known = [column[n] != MISSING for n in at]
        if False in known and True in known:
            known = known[known.index(True) :]
            missing = known.count(False)
            if missing:
                fields.append(name)
                if missing > most:
                    most, due = missing, len(known)
    if fields:
        yield {
            "source": source,
            "device": device,
            "counted": counted(source, device),
            "fields": fields,
            "rows": most,
            "due": due,
        }


class _Counted:
    """Whether totals count a device. Devices are looked at when the first of them is asked for."""

    def __init__(self, table: "SampleTable") -> None:
        self._table = table
        self._found: "dict[str, list[str]]" = {}

    def __call__(self, source: str, device: str) -> bool:
        if source not in _TRAFFIC:
            return True
        if source not in self._found:
            count, part = (
                (count_disks, "block") if source == "diskstats" else (count_interfaces, "net")
            )
            columns = _columns(self._table, source)
            meta = dict(self._table.meta, events=self._table.events)
            moved = {d: self._moved(source, fields) for d, fields in columns.items()}
            found = count(list(columns), topology_of(meta, part), moved.__getitem__)
            self._found[source] = found.devices
        return device in self._found[source]

    def _moved(self, source: str, fields: "dict[str, int]") -> int:
        """Return by how much the counters of a device's traffic grew."""
        out = 0
        for name in _TRAFFIC[source]:
            if name in fields:
                known = [v for v in self._table.column(fields[name]) if v != MISSING]
                out += sum(map(max, map(sub, known[1:], known), repeat(0)))
        return out
