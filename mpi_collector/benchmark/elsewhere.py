"""Where a recording goes whose results directory has failed, and that has no other copy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from mpi_collector.output.files import RunFiles


def other_places(rescue_dir: str | None, name: str) -> Iterator[Path]:
    """Yield directories ``name`` that do not exist, in the order in which they are to be tried.

    They are in --rescue-dir, the job's TMPDIR, the user's home and the working directory.
    """
    above = [rescue_dir, os.environ.get("TMPDIR"), os.environ.get("HOME"), "."]
    yield from dict.fromkeys(Path(a).absolute() / name for a in above if a)


def reserved_s(files: RunFiles) -> float:
    """Return the datetime of ``files`` in seconds since the epoch."""
    return time.mktime(time.strptime(files.datetime, "%Y%m%d_%H%M%S"))
