"""The packed table of a host, checked while it arrives: whole, and no more than was agreed on.

Nothing is inflated beyond the size that follows from rows and columns, and nothing is kept but what
other members are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpi_collector.errors import TableError
from mpi_collector.node import strict_json
from mpi_collector.node.documents import META
from mpi_collector.node.errors import FormError
from mpi_collector.node.row.layout import STOP_TICK, Layout
from mpi_collector.node.status import STATUS_NAMES
from mpi_collector.node.table.npy import npy_header
from mpi_collector.node.table.pack import MEMBERS, ROW_VECTORS, TEXT_VECTORS
from mpi_collector.node.table.table import layout_with_devices
from mpi_collector.transport.known_layouts import SAMPLE_BYTES, VALUE_BYTES, KnownLayouts
from mpi_collector.transport.packed_member import Kept, Member, Numbers, Samples

_WORD = 8
_HEADER_MOST = 256  #: of one of our .npy headers, bytes
_CHAR = 4  #: UTF-32
_NAME_CHARS = 1024
_META_BYTES = 32 << 20
_TEXT_BYTES = 64 << 20
_SOURCES_MOST = 1024
_VALUES_MOST = 1 << 20  #: of the JSON of ``meta``
_KEPT = ("meta", *TEXT_VECTORS)


@dataclass(frozen=True)
class TableBounds:
    """What the table of host ``key`` may be.

    ``rows``: at most, with that of the stop. ``columns``: those of its layout. ``begin_ns``,
    ``end_ns``: UTC between which its rows were taken. ``last_tick``: the last that can have been
    due. ``grid``: the tick grid that it was given. ``json``: the suite's samples may come with it.
    """

    key: str
    run: str
    rows: int
    columns: int
    begin_ns: int
    end_ns: int
    last_tick: int
    grid: Mapping[str, Any]
    json: bool = False


class TableCheck:
    """Checks one table: ``begin`` each member, ``feed`` it, and ``end`` in the end.

    ``facts``, ``heads``: what the host has announced. ``whole``: inflate the values, too; without
    it their checksum is left to whoever reads them. ``layouts``: shared with the checks of other
    hosts. TableError says what is wrong.
    """

    def __init__(
        self,
        bounds: TableBounds,
        facts: Mapping[str, Any],
        heads: Sequence[Mapping[str, Any]],
        whole: bool = True,
        layouts: KnownLayouts | None = None,
    ) -> None:
        self._layouts = layouts or KnownLayouts()
        self._bounds = bounds
        self._facts = facts
        self._heads = heads
        self._whole = whole
        self._next = 0
        self._member: Member | None = None
        self._known: Mapping[str, bytes] = {}  # expected plain bytes of the vectors of text
        self._sources = 0
        self._columns = 0
        self._sample_most = 0
        self._rows: dict[str, list[Any]] = {"tick": [], "timestamp_ns": []}  # where json needs them
        self._on_grid = 0
        self._last_tick = -1
        _check_facts(bounds, facts)
        self._check_heads()

    # ---- what is announced
    def _check_heads(self) -> None:
        names = [f"{self._bounds.key}/{name}" for name in MEMBERS]
        kinds = ["npz"] * len(names)
        if self._bounds.json and len(self._heads) > len(names):
            names.append(self._bounds.key)
            kinds.append("json")
        if [h["name"] for h in self._heads] != names or [h["kind"] for h in self._heads] != kinds:
            raise TableError("its members are not those of its table")
        for name, head in zip((*MEMBERS, "json"), self._heads):
            if head["size"] > self._most_bytes(name):
                raise TableError(f"{name!r} is said to have {head['size']} bytes, too many")
            # deflate makes nothing larger than this
            if head["packed"] > head["size"] + head["size"] // 500 + 1024:
                raise TableError(f"{name!r} is said to be packed in {head['packed']} bytes")

    def _most_bytes(self, name: str) -> int:
        rows: int = self._facts["samples"]
        columns = self._bounds.columns
        if name == "meta":
            return _META_BYTES
        if name in TEXT_VECTORS:
            width = max(columns, _SOURCES_MOST)
            return min(_HEADER_MOST + _CHAR * _NAME_CHARS * width, _TEXT_BYTES)
        if name == "json":
            return 16 + rows * (SAMPLE_BYTES + (_NAME_CHARS + VALUE_BYTES) * columns)
        width = columns if name == "values" else 1 if name in ROW_VECTORS else _SOURCES_MOST
        return _HEADER_MOST + _WORD * rows * width

    # ---- what comes
    def begin(self) -> None:
        """Expect the next member."""
        name = (*MEMBERS, "json")[self._next]
        head = self._heads[self._next]
        self._next += 1
        if name == "values" and not self._whole:
            self._member = None
        elif name == "json":
            self._member = self._samples(head)
        elif name in _KEPT:
            self._member = Kept(name, head, self._take)
        else:
            size = len(header := self._header_of(name)) + _WORD * self._numbers_of(name)
            if head["size"] != size:
                raise TableError(f"{name!r} is said to have {head['size']} bytes instead of {size}")
            self._member = Numbers(name, head, header, self._use_of(name))

    def feed(self, data: bytes | memoryview) -> None:
        """Take packed bytes of the member."""
        if self._member is not None:
            self._member.feed(data)

    def end_member(self) -> None:
        """The member is complete."""
        if self._member is not None:
            self._member.end()
            self._member = None

    def end(self) -> None:
        """The table is complete."""
        if self._next != len(self._heads):
            raise TableError("some of its members are missing")

    def _samples(self, head: Mapping[str, Any]) -> Samples:
        times, ticks = (
            (number for part in self._rows[name] for number in part.tolist())
            for name in ("timestamp_ns", "tick")
        )
        rows = zip(times, ticks)
        if head["size"] > 16 + self._facts["samples"] * self._sample_most:
            raise TableError(f"'json' is said to have {head['size']} bytes, too many")
        return Samples(head, rows, self._sample_most, 64 + 4 * self._columns + self._sources)

    def _width_of(self, name: str) -> int:
        if name in ROW_VECTORS:
            return 1
        return self._columns if name == "values" else self._sources

    def _numbers_of(self, name: str) -> int:
        return int(self._facts["samples"] * self._width_of(name))

    def _header_of(self, name: str) -> bytes:
        """Return the .npy header that an integer member must have."""
        rows = self._facts["samples"]
        if name in ROW_VECTORS:
            return npy_header("<i8", (rows,))
        return npy_header("<i8", (rows, self._width_of(name)), fortran=True)

    def _use_of(self, name: str) -> Callable[[Any], None] | None:
        """Return what checks the numbers of a member, None where any will do."""
        bounds = self._bounds
        limits = {
            "timestamp_ns": (bounds.begin_ns, bounds.end_ns),
            "clock_bound_ns": (0, 1 << 62),
            "source_status": (0, len(STATUS_NAMES) - 1),
        }
        if name == "tick":
            return self._take_ticks
        if name not in limits:
            return None

        def use(numbers: Any) -> None:
            _within(name, numbers, *limits[name])
            if bounds.json and name in self._rows:
                self._rows[name].append(numbers)

        return use

    def _take(self, name: str, plain: bytes) -> None:
        """Compare a member that is kept with what is known."""
        if name == "meta":
            self._take_meta(plain)
        elif plain != self._known[name]:
            raise TableError(f"{name!r} does not fit its layout")

    def _take_ticks(self, ticks: Any) -> None:
        if self._bounds.json:
            self._rows["tick"].append(ticks)
        if self._on_grid == self._facts["ticks"]:  # only that of the stop is left
            on_grid = ticks[:0]
            stop = ticks
        else:
            has_stop = len(ticks) and ticks[-1] == STOP_TICK
            on_grid, stop = (ticks[:-1], ticks[-1:]) if has_stop else (ticks, ticks[:0])
        self._on_grid += len(on_grid)
        if len(stop) > 1 or (len(stop) and self._on_grid != self._facts["ticks"]):
            raise TableError("its rows are not those that it counts")
        if not len(on_grid):
            return
        if on_grid[0] <= self._last_tick or (on_grid[1:] <= on_grid[:-1]).any():
            raise TableError("its ticks are not in order")
        self._last_tick = int(on_grid[-1])
        _within("tick", on_grid, 0, self._bounds.last_tick)

    def _take_meta(self, plain: bytes) -> None:
        try:
            meta = strict_json.loads(_text_of(plain), _VALUES_MOST)
            META.check(self._unchecked(meta))
            layout = layout_with_devices(meta)
        except (FormError, ValueError, KeyError, TypeError) as e:
            raise TableError(f"'meta' is not in the protocol: {e}") from None
        expected = {"run": self._bounds.run, "host": self._bounds.key}
        if any(meta.get(name) != value for name, value in expected.items()):
            raise TableError("'meta' is that of another host or run")
        if meta["facts"] != self._facts:
            raise TableError("'meta' has other facts than it has announced")
        grids = [e for e in meta["events"] if e["type"] == "grid"]
        if len(grids) != 1 or any(grids[0][k] != v for k, v in self._bounds.grid.items()):
            raise TableError("'meta' has another tick grid than the run")
        if layout.width != self._bounds.columns:
            raise TableError(f"{layout.width} columns, where {self._bounds.columns} were agreed on")
        self._layouts.note(meta["layout"])
        self._take_layout(layout)

    def _unchecked(self, meta: Any) -> Any:
        """Return ``meta`` without what is equal to something that was checked, or is checked."""
        if type(meta) is not dict:
            return meta
        kept = dict(meta)
        if self._layouts.has(meta.get("layout")):
            kept["layout"] = {"sources": [], "tables": []}
        start, end = meta.get("snapshot"), meta.get("snapshot_end")
        if type(start) is dict and type(end) is dict:
            kept["snapshot_end"] = {
                name: part
                for name, part in end.items()
                if name == "hostname" or name not in start or start[name] != part
            }
        return kept

    def _take_layout(self, layout: Layout) -> None:
        texts = self._layouts.texts_of(layout)
        self._columns = texts.columns
        self._sources = texts.sources
        self._sample_most = texts.sample_most
        self._known = texts.plain


def _check_facts(bounds: TableBounds, facts: Mapping[str, Any]) -> None:
    """TableError when the facts of a host cannot be those of a table within ``bounds``."""
    if facts["samples"] > bounds.rows:
        raise TableError(f"{facts['samples']} rows, where {bounds.rows} are possible")
    if not 0 <= facts["samples"] - facts["ticks"] <= 1:
        raise TableError("its rows are not those that it counts")
    if facts["last_tick"] > bounds.last_tick or facts["missed"] > bounds.last_tick + 1:
        raise TableError("more ticks than were due")
    if facts["columns"] != bounds.columns:
        raise TableError(f"{facts['columns']} columns, where {bounds.columns} were agreed on")


def _within(name: str, values: Any, low: int, high: int) -> None:
    if len(values) and not (low <= int(values.min()) and int(values.max()) <= high):
        raise TableError(f"{name!r} has values that are not possible")


def _text_of(plain: bytes) -> str:
    """Return the text of a 0-dimensional string. ValueError."""
    size = 10 + int.from_bytes(plain[8:10], "little")
    text = plain[size:].decode("utf-32-le")
    if plain[:size] != npy_header(f"<U{len(text)}", ()):
        raise ValueError("no string")
    return text
