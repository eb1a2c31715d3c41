"""The phases of a DLIO run, from the ``*per_epoch_stats.json`` that it wrote.

Its times are local times of COMMAND, without a zone, and COMMAND may have another zone than this
process: the file's time of change tells which.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mpi_collector.benchmark.keeper.values import FoundMarks, RecordedCommand
from mpi_collector.benchmark.suite_run import made_by_suite
from mpi_collector.formats.run_document import Mark
from mpi_collector.node.regular_file import owners_in, read_whole

_ENDING = "per_epoch_stats.json"
_HYDRA_LOG = "hydra_log"  #: below the working directory, DLIO's default
_LEVELS = 8  #: of directories below a place
_NAMES_MAX = 20_000  #: looked at below a place
_NAMES_MAX_FOLDER = 2_000  #: and in one directory: a data set is not searched
_SIZE_MAX = 64 << 20  #: bytes
_QUARTER_S = 15 * 60
_TOLERANCE_NS = 1_000_000_000  #: two clocks that are kept right differ by less
_DOUBT_S = 60.0  #: the clock of a file server may be off by so much
#: DLIO writes the file soon after its last epoch; zones of neighbours differ by half an hour
_LAG_S = 25 * 60.0


class Statistics(NamedTuple):
    """The phases in a file of statistics."""

    path: Path
    marks: list[Mark]
    zone: str  #: like +05:30, where it is not that of this process; "" where it is
    outside: int  #: how many of the marks lie outside of the run


def find_statistics(results_dir: Path, command: RecordedCommand) -> FoundMarks:
    """Return the marks of DLIO, its zone where it is another one, and marks off the run."""
    marks: list[Mark] = []
    problems, notes = [], []
    where = places(results_dir, command.words, made_by_suite(command))
    for found in statistics_of_run(where, command.begin_ns, command.end_ns):
        marks += found.marks
        if found.zone:
            notes.append(f"{found.path}: its times are taken for those of UTC{found.zone}")
        if found.outside:
            off = f"{found.outside} of {len(found.marks)}"
            problems.append(f"{found.path}: {off} marks lie outside of the run")
    return FoundMarks(marks, problems, notes)


def places(results_dir: Path, command: Sequence[str], *more: Path | None) -> list[Path]:
    """Return where statistics are looked for.

    They are the results directory, ``more``, the directories that COMMAND names, also as NAME=DIR,
    and the working directory.
    """
    found = {results_dir: None, **{path: None for path in more if path is not None}}
    for word in command:
        for part in (word, word.partition("=")[2]):
            if part and len(part) < 4096 and ("/" in part or "=" in word) and os.path.isdir(part):
                found[Path(part)] = None
    return [*found, Path(_HYDRA_LOG), Path()]


def statistics_of_run(
    directories: Iterable[Path], since_ns: int, until_ns: int
) -> Iterator[Statistics]:
    """Yield the statistics under ``directories`` that were written since the begin of a run.

    since_ns, until_ns: begin and end of the run, UTC.
    """
    seen: set[Path] = set()
    for directory in directories:
        for path in _files(directory):
            try:
                real, stat = path.resolve(), path.stat()
            except OSError:
                continue
            if real in seen or stat.st_mtime_ns < since_ns or stat.st_size > _SIZE_MAX:
                continue
            seen.add(real)
            if found := statistics_of_file(path, since_ns, until_ns):
                yield found


def _files(place: Path) -> Iterator[Path]:
    """Yield the files of statistics below a place, one a directory: ranks write the same epochs.

    Where anyone may write, those of other users are none of this run.
    """
    left = _NAMES_MAX
    waiting = deque([(place, 0)])
    try:
        owners = owners_in(place)
    except OSError:  # it is not there
        return
    while waiting and left > 0:
        directory, level = waiting.popleft()
        files: list[str] = []
        try:
            with os.scandir(directory) as entries:
                for n, entry in enumerate(entries):
                    left -= 1
                    if n >= _NAMES_MAX_FOLDER or left <= 0:
                        break
                    if entry.name.endswith(_ENDING):
                        if owners is None or entry.stat(follow_symlinks=False).st_uid in owners:
                            files.append(entry.name)
                    elif level < _LEVELS and entry.is_dir(follow_symlinks=False):
                        waiting.append((directory / entry.name, level + 1))
        except OSError:  # gone, or not ours to read
            continue
        if files:
            yield directory / min(files, key=lambda name: (len(name), name))


def statistics_of_file(path: Path, since_ns: int, until_ns: int) -> Statistics | None:
    """Return begin and end of every epoch and of every block in it; None when it is no such file.

    since_ns, until_ns: begin and end of the run, UTC.
    """
    try:
        epochs = json.loads(read_whole(path, _SIZE_MAX).decode("utf-8"))
        times = [t for number, epoch in epochs.items() for t in _epoch(str(number), epoch)]
        changed_s = path.stat().st_mtime
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return None
    if not times:
        return None
    offset = _offset([time.at for time in times], since_ns / 1e9, changed_s)
    marks: list[Mark] = [
        {"text": t.text, "edge": t.edge, "utc_ns": _utc_ns(t.at, offset), "host": None}
        for t in times
    ]
    first_ns, last_ns = since_ns - _TOLERANCE_NS, until_ns + _TOLERANCE_NS
    outside = sum(not first_ns <= mark["utc_ns"] <= last_ns for mark in marks)
    return Statistics(path, marks, _zone_text(offset), outside)


class _Time(NamedTuple):
    """A mark whose time has no zone."""

    text: str
    edge: Literal["begin", "end"]
    at: datetime


def _epoch(number: str, epoch: dict[str, Any]) -> Iterator[_Time]:
    yield from _pair(f"epoch {number}", epoch)
    for name, part in epoch.items():
        if isinstance(part, dict) and "start" in part:
            yield from _pair(f"epoch {number} {name}", part)


def _pair(text: str, about: dict[str, Any]) -> Iterator[_Time]:
    edges: tuple[tuple[str, Literal["begin", "end"]], ...] = (("start", "begin"), ("end", "end"))
    for key, edge in edges:
        if isinstance(about.get(key), str):
            yield _Time(text, edge, datetime.fromisoformat(about[key]))


def _offset(times: Sequence[datetime], since_s: float, changed_s: float) -> timedelta | None:
    """Return the offset of COMMAND's zone from UTC; None: it is the zone of this process.

    since_s: begin of the run; changed_s: when the file was written; both UTC, seconds.
    """
    first, last = min(times, key=_comparable), max(times, key=_comparable)
    if last.tzinfo is not None:
        return None
    lag_s = changed_s - last.timestamp()
    if -_DOUBT_S <= lag_s <= _LAG_S and first.timestamp() >= since_s - _DOUBT_S:
        return None
    # as if its zone were UTC; the file was written after the last time in it
    ahead_s = last.replace(tzinfo=timezone.utc).timestamp() - changed_s - _DOUBT_S
    offset = timedelta(seconds=-(-ahead_s // _QUARTER_S) * _QUARTER_S)
    return None if offset == last.astimezone().utcoffset() else offset


def _comparable(time: datetime) -> datetime:
    return time.replace(tzinfo=None)


def _utc_ns(time: datetime, offset: timedelta | None) -> int:
    if time.tzinfo is None and offset is not None:
        time = time.replace(tzinfo=timezone.utc) - offset
    return int(time.timestamp() * 1e6) * 1000


def _zone_text(offset: timedelta | None) -> str:
    if offset is None:
        return ""
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
