"""The phases of a DLIO run, from the ``*per_epoch_stats.json`` that it wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mpi_collector.formats.run_document import Mark

_DEPTH = 3  #: of directories
_FILES_MAX = 2000  #: names looked at under a directory: a data set is not searched
_SIZE_MAX = 64 << 20  #: bytes


def places(results_dir: Path, command: Sequence[str]) -> list[Path]:
    """Return the results directory and the directories that COMMAND names, also as NAME=DIR."""
    found = {results_dir: None}
    for word in command:
        for part in (word, word.partition("=")[2]):
            if part and len(part) < 4096 and ("/" in part or "=" in word) and os.path.isdir(part):
                found[Path(part)] = None
    return list(found)


def marks_of_run(directories: Iterable[Path], since_ns: int) -> list[Mark]:
    """Return the marks of all statistics under ``directories`` written after ``since_ns`` (UTC)."""
    out: list[Mark] = []
    seen: set[Path] = set()
    for directory in directories:
        for path in _statistics(directory):
            real = path.resolve()
            if (
                real not in seen
                and real.stat().st_mtime_ns >= since_ns
                and real.stat().st_size <= _SIZE_MAX
            ):
                seen.add(real)
                out += marks_of_file(path)
    return out


def _statistics(directory: Path) -> Iterator[Path]:
    left = _FILES_MAX
    base = len(directory.parts)
    for folder, folders, names in os.walk(directory):
        if len(Path(folder).parts) - base >= _DEPTH:
            folders[:] = []
        left -= len(names) + len(folders)
        yield from (Path(folder, n) for n in names if n.endswith("per_epoch_stats.json"))
        if left < 0:
            return


def marks_of_file(path: Path) -> list[Mark]:
    """Return begin and end of every epoch and of every block in it; [] when it is no such file.

    The times in it are local, without a zone.
    """
    try:
        epochs = json.loads(path.read_text(encoding="utf-8"))
        return [m for number, epoch in epochs.items() for m in _epoch(str(number), epoch)]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return []


def _epoch(number: str, epoch: dict[str, Any]) -> Iterator[Mark]:
    yield from _pair(f"epoch {number}", epoch)
    for name, part in epoch.items():
        if isinstance(part, dict) and "start" in part:
            yield from _pair(f"epoch {number} {name}", part)


def _pair(text: str, about: dict[str, Any]) -> Iterator[Mark]:
    edges: tuple[tuple[str, Literal["begin", "end"]], ...] = (("start", "begin"), ("end", "end"))
    for key, edge in edges:
        if isinstance(about.get(key), str):
            ns = int(datetime.fromisoformat(about[key]).timestamp() * 1e6) * 1000
            yield {"text": text, "edge": edge, "utc_ns": ns, "host": None}
