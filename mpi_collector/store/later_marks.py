"""Marks that were set on a finished recording, read from the file beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, cast

from mpi_collector.errors import RecordingError
from mpi_collector.formats.later_marks import (
    SIZE_MAX,
    LaterMark,
    later_marks_path,
    parse_later_marks,
)
from mpi_collector.formats.run_document import Mark
from mpi_collector.node.regular_file import owners_in, read_whole


def read_later_marks(recording: Path) -> list[LaterMark]:
    """Return the marks beside a recording, none without a file.

    Where anybody may write, those of other users do not count. RecordingError for a file that is
    unreadable or damaged.
    """
    path = later_marks_path(recording)
    try:
        owners = owners_in(path.parent)
        if owners is not None and os.lstat(path).st_uid not in owners:
            return []
        return parse_later_marks(read_whole(path, SIZE_MAX))
    except FileNotFoundError:
        return []
    except OSError as e:
        why = e.strerror or str(e)
    except ValueError as e:
        why = str(e)
    raise RecordingError(f"{path}: marks of this recording, unreadable: {why}; mend or move it")


def as_marks(found: list[LaterMark]) -> list[Mark]:
    """Return the marks as the run document has them."""
    return [_as_mark(m) for m in found]


def _as_mark(later: LaterMark) -> Mark:
    out: Mark = {
        "text": later["name"],
        "edge": cast(Literal["point", "begin", "end"], later["edge"]),
        "utc_ns": later["at_ns"],
        "host": None,
    }
    if "read_bytes" in later:
        out["read_bytes"] = later["read_bytes"]
    return out
