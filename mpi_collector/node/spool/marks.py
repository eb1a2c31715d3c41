"""Marks: a text that a user attaches to a moment of the run.

A process on a host of the run appends them to a file beside its spool, with that host's monotonic
clock. They enter the recording at the stop, so that nothing has to poll for them while the job
runs.
"""

import json
import os

from ..compat import mono_ns, wall_ns
from ..regular_file import open_own, read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection

EDGES = ("point", "begin", "end")
TEXT_MAX = 200
_FILE_MAX = 1 << 20


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

    OSError when it cannot be written, or is another user's.
    """
    fd = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(fd, json.dumps(mark).encode() + b"\n")
    finally:
        os.close(fd)


def read(path: str, owners: "Collection[int]" = ()) -> "list[dict[str, Any]]":
    """Return the marks in a file in order, without invalid lines; none if there is no file.

    ``owners``: of the file, if not this user or root; the marks of others are none of this run.
    """
    try:
        data = read_own(path, _FILE_MAX, owners)
    except OSError:
        return []
    return [m for m in map(_parse, data.split(b"\n")) if m is not None]


def _parse(line: bytes) -> "dict[str, Any] | None":
    try:
        mark = json.loads(line.decode())
        out = make(mark["text"], mark["edge"])
        out["mono_ns"] = int(mark["mono_ns"])
        out["wall_ns"] = int(mark["wall_ns"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return out if 0 <= out["mono_ns"] < 1 << 62 and 0 <= out["wall_ns"] < 1 << 62 else None
