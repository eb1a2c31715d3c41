"""Marks: a text that a user attaches to a moment of the run.

A process on a host of the run appends them to a file beside its spool, with that host's monotonic
clock. They enter the recording at the stop, so that nothing has to poll for them while the job
runs. The file has a bound; a mark that finds it full is refused, and counted in the file.
"""

import json
import os

from ..compat import mono_ns, wall_ns
from ..errors import CollectorError
from ..regular_file import open_own, read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection

EDGES = ("point", "begin", "end")
TEXT_MAX = 200
FILE_BYTES = 1 << 20  #: of marks in a file: about 9,000
_COUNTED_BYTES = 1 << 20  #: behind them, for the lines that stand for refused marks
_REFUSED = b"-\n"


class MarksFullError(CollectorError):
    """There is no room for a further mark. The loss is counted in the recording."""

    def __init__(self) -> None:
        super().__init__("the run has no room for further marks; the loss is counted")


def make(text: str, edge: str = "point") -> "dict[str, Any]":
    """Return a mark of this moment. ValueError for an unknown edge or an empty or too long text."""
    text = "".join(c if c.isprintable() else " " for c in str(text)).strip()
    if edge not in EDGES:
        raise ValueError("a mark is one of %s, not %r" % (", ".join(EDGES), edge))
    if not 0 < len(text) <= TEXT_MAX:
        raise ValueError("the text of a mark has 1 to %d characters" % TEXT_MAX)
    return {"type": "mark", "text": text, "edge": edge, "mono_ns": mono_ns(), "wall_ns": wall_ns()}


def append(path: str, mark: "dict[str, Any]") -> None:
    """Add a mark to a file; processes may do so at once.

    OSError when it cannot be written, or is another user's; MarksFullError when it is full.
    """
    line = json.dumps(mark).encode() + b"\n"
    fd = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        is_full = size + len(line) > FILE_BYTES
        if not is_full:
            os.write(fd, line)
        elif size < FILE_BYTES + _COUNTED_BYTES:
            os.write(fd, _REFUSED)
    finally:
        os.close(fd)
    if is_full:
        raise MarksFullError


def read(path: str, owners: "Collection[int]" = ()) -> "list[dict[str, Any]]":
    """Return the marks in a file in order, without invalid lines; none if there is no file.

    ``owners``: of the file, if not this user or root; the marks of others are none of this run.
    """
    return read_counted(path, owners)[0]


def read_counted(path: str, owners: "Collection[int]" = ()) -> "tuple[list[dict[str, Any]], int]":
    """Return the marks in a file, see ``read``, and how many were refused since it was full."""
    lines = _read(path, owners).split(b"\n")
    marks = [m for m in map(_parse, lines) if m is not None]
    return marks, lines.count(_REFUSED.rstrip())


def count(path: str, owners: "Collection[int]" = ()) -> int:
    """Return about how many marks are in a file; see ``read``."""
    data = _read(path, owners)
    return data.count(b"\n") - data.count(b"\n" + _REFUSED)


def add_missing(events: "list[dict[str, Any]]", marks: "list[dict[str, Any]]") -> None:
    """Add to ``events`` those of ``marks`` that are not among them."""
    known = {_identity(e) for e in events if e["type"] == "mark"}
    events.extend(m for m in marks if _identity(m) not in known)


def _identity(mark: "dict[str, Any]") -> "tuple[int, str, str]":
    return mark["mono_ns"], mark["text"], mark["edge"]


def _read(path: str, owners: "Collection[int]") -> bytes:
    """Return what is in a file of marks, b"" when there is none."""
    try:
        return read_own(path, FILE_BYTES + _COUNTED_BYTES + len(_REFUSED), owners)
    except OSError:
        return b""


def _parse(line: bytes) -> "dict[str, Any] | None":
    try:
        mark = json.loads(line.decode())
        out = make(mark["text"], mark["edge"])
        out["mono_ns"] = int(mark["mono_ns"])
        out["wall_ns"] = int(mark["wall_ns"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return out if 0 <= out["mono_ns"] < 1 << 62 and 0 <= out["wall_ns"] < 1 << 62 else None
