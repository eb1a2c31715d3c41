"""``*_marks.json``: marks that were set on a finished recording, in a file beside it.

A list of ``{"name": "checkpoint 3", "edge": "begin", "at_ns": ...}``: ``edge`` is point, begin or
end; ``at_ns`` is UTC on the time line of the recording. ``read_bytes`` of a begin: what the program
of the phase says that it read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, cast

from mpi_collector.node import strict_json
from mpi_collector.node.forms import COUNT, MOMENT, Items, OneOf, Record, Text
from mpi_collector.node.spool.marks import EDGES, TEXT_MAX, make

MARKS_MAX = 100_000
SIZE_MAX = 64 << 20  #: bytes of a file


class _Reported(TypedDict, total=False):
    read_bytes: int


class LaterMark(_Reported):
    """A mark as it is in the file."""

    name: str
    edge: str
    at_ns: int


_FORM = Items(
    Record(
        {"name": Text(TEXT_MAX, bool), "edge": OneOf(*EDGES), "at_ns": MOMENT},
        {"read_bytes": COUNT},
    ),
    MARKS_MAX,
)


def recording_stem(recording: Path) -> str:
    """Return the name of a recording without ``_timeseries`` and its suffix."""
    name = recording.name.removesuffix(".npz").removesuffix(".json")
    return name.removesuffix("_timeseries")


def later_marks_path(recording: Path) -> Path:
    """Return the file of marks that belongs to a recording."""
    return recording.with_name(f"{recording_stem(recording)}_marks.json")


def later_mark(text: str, edge: str, at_ns: int, read_bytes: int | None = None) -> LaterMark:
    """Return a mark. ValueError for an empty or too long text."""
    out: LaterMark = {"name": make(text, edge)["text"], "edge": edge, "at_ns": at_ns}
    if read_bytes is not None:
        out["read_bytes"] = read_bytes
    return out


def parse_later_marks(data: bytes) -> list[LaterMark]:
    """Return the marks of a file. ValueError says what is wrong with it."""
    document = strict_json.loads(data)
    _FORM.check(document)
    return cast(list[LaterMark], document)
