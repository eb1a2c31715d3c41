"""Reading ``*_timeseries.json``, the time series of the suite's own collector or of this program.

The result is plain data: names of columns, a time and a tick per row, values by column. The suite
stamps whole seconds; samples that carry ``timestamp_ns`` are exact.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mpi_collector.errors import RecordingError
from mpi_collector.formats.suite_samples import CPU_SCALARS, DEVICE_LISTS, FLAT_SOURCES
from mpi_collector.formats.suite_ticks import DueTicks, Span, due_ticks, own_ticks, ticks_by_time
from mpi_collector.node.host.memory import available_bytes
from mpi_collector.node.regular_file import open_regular
from mpi_collector.node.sources import BY_NAME

_SIZE_MAX = 4 << 30  #: bytes, of the file and of the values of one host
_MEMORY_RATIO = 25  #: bytes of memory that a byte of JSON takes at most
#: the table of a host has a cell for every sample and name; of those few are empty
_SPARSE_CELLS = 1 << 20
_SPARSE_RATIO = 16
_NAME_CHARACTERS = 255  #: of a source, a device, a field
_SOURCES = (*DEVICE_LISTS, *FLAT_SOURCES, "stat")
_INT64_MAX = (1 << 63) - 1
_SECOND_NS = 1_000_000_000
_DEFAULT_INTERVAL_S = 10
_UTC = "%Y-%m-%dT%H:%M:%SZ"
_HEAD_BYTES = 1 << 16  #: the suite's keys come before the samples, ours behind
_START = re.compile(rb'"start_time": ?"([0-9TZ:-]{1,32})"')


class Cell(NamedTuple):
    """One value of a sample. ``device``: "" where the source has no devices."""

    source: str
    device: str
    field: str
    value: int


class ColumnName(NamedTuple):
    """Where a column comes from. ``device``: "" where the source has no devices."""

    source: str
    device: str
    field: str


@dataclass
class SuiteHost:
    """The samples of one host in the order of time; samples without a value are left out."""

    hostname: str | None  #: the host's own name
    columns: list[str]  #: ``source.field`` or ``source.device.field``
    units: list[str]  #: one per column
    kinds: list[str]  #: one per column: counter or gauge
    timestamps_ns: list[int]  #: UTC, one per row
    ticks: list[int] | None  #: one per row; None where the file has none that make sense
    rows: list[list[tuple[int, int]]]  #: (index of the column, value) of every value of a row
    error: str = ""  #: what a sample without a value says


@dataclass
class SuiteTimeSeries:
    """A whole file. Every host has ticks."""

    interval_ns: int
    start_ns: int  #: UTC of tick 0
    end_ns: int  #: UTC, when the collector stopped, or of the last sample
    collection_method: str
    hosts: dict[str, SuiteHost]
    hosts_requested: list[str]
    due: DueTicks


def read_suite(path: Path) -> SuiteTimeSeries:
    """Read a ``*_timeseries.json``. RecordingError when it is none, or too large."""
    try:
        with os.fdopen(open_regular(path), "rb") as f:
            size = os.fstat(f.fileno()).st_size
            free = available_bytes()
            if size > _SIZE_MAX or (free is not None and size > free // _MEMORY_RATIO):
                raise RecordingError(
                    f"{path}: {size} bytes are more than this reads; use the .npz beside it"
                )
            return _parse(json.loads(f.read(size).decode("utf-8")))
    except (OSError, ValueError, RecursionError, OverflowError) as e:
        raise RecordingError(f"{path}: not a time series of the suite: {e}") from e
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise RecordingError(f"{path}: not a time series of the suite: no usable {e}") from e


def start_of_suite(path: Path) -> int | None:
    """Return when a time series began (UTC, ns), from its head or its end; None: it does not say.

    The file is not read whole: with many hosts it is large.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as f:
            data = f.read(_HEAD_BYTES)
            f.seek(0, os.SEEK_END)
            f.seek(max(f.tell() - _HEAD_BYTES, len(data)))
            data += f.read(_HEAD_BYTES)
    except OSError:
        return None
    found = _START.search(data)
    return _utc_ns(found[1].decode()) if found else None


def _utc_ns(text: object) -> int | None:
    """UTC of a text in whole seconds, ns; None when it is no such text."""
    try:
        return calendar.timegm(time.strptime(str(text), _UTC)) * _SECOND_NS
    except ValueError:
        return None


def _parse(document: Mapping[str, Any]) -> SuiteTimeSeries:
    interval_s = float(document.get("collection_interval_seconds") or _DEFAULT_INTERVAL_S)
    interval_ns = _int64(max(int(interval_s * 1e9), 1))
    hosts = {str(h): _host(samples) for h, samples in document["samples_by_host"].items()}
    for name in hosts:
        name.encode()  # a lone surrogate cannot be the name of a zip member
    every = list(hosts.values())
    own = all(h.ticks is not None for h in every if h.rows)
    start_ns = _number(every, interval_ns)
    method = document.get("collection_method")
    requested = document.get("hosts_requested")
    last_ns = max((h.timestamps_ns[-1] for h in hosts.values() if h.rows), default=0)
    due = due_ticks(
        [tick for host in every for tick in host.ticks or ()],
        own,
        Span(
            interval_ns, start_ns, *(_utc_ns(document.get(k)) for k in ("start_time", "end_time"))
        ),
    )
    return SuiteTimeSeries(
        interval_ns=interval_ns,
        start_ns=start_ns,
        end_ns=max(last_ns, _utc_ns(document.get("end_time")) or 0),
        collection_method=method if isinstance(method, str) else "unknown",
        hosts=hosts,
        hosts_requested=[str(h) for h in requested] if isinstance(requested, list) else [],
        due=due,
    )


def _int64(value: int) -> int:
    """``value``. OverflowError when it has no place in 64 bits."""
    if not -_INT64_MAX <= value <= _INT64_MAX:
        raise OverflowError(f"{value} is out of range")
    return value


def _cells(sample: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the values of a sample; loads in hundredths, as the recording has them."""
    for source, name_key in DEVICE_LISTS.items():
        for row in sample.get(source) or ():
            for field, value in row.items():
                if field != name_key and isinstance(value, int):
                    yield Cell(source, str(row[name_key]), field, value)
    for source in FLAT_SOURCES:
        for field, value in (sample.get(source) or {}).items():
            if isinstance(value, int | float):
                hundredths = source == "loadavg" and field.startswith("load_")
                number = round(value * 100) if hundredths else int(value)
                yield Cell(source, "", str(field), number)
    for field, value in (sample.get("cpu") or {}).items():
        if isinstance(value, int):
            yield Cell("stat", "" if field in CPU_SCALARS else "cpu", str(field), value)


def _host(samples: Sequence[Mapping[str, Any]]) -> SuiteHost:
    """Return the samples of one host. ValueError when they are too many."""
    rows: list[list[tuple[int, int]]] = []
    index: dict[ColumnName, int] = {}
    times: list[int] = []
    ticks: list[object] = []
    error = ""
    for sample in samples:
        row = [
            (index.setdefault(ColumnName(c.source, c.device, c.field), len(index)), c.value)
            for c in _cells(sample)
        ]
        if not row:
            error = _error(sample)  # a host that could not be reached
            continue
        rows.append(row)
        times.append(_int64(_time_ns(sample)))
        ticks.append(sample.get("tick"))
    cells = len(rows) * len(index)
    if cells * 8 > _SIZE_MAX or cells > _SPARSE_CELLS + _SPARSE_RATIO * sum(map(len, rows)):
        raise ValueError(f"{len(rows)} samples with {len(index)} names are more than this reads")
    longest = max((len(part) for name in index for part in name), default=0)
    if longest > _NAME_CHARACTERS and longest * len(index) > _SPARSE_CELLS:
        raise ValueError(f"{len(index)} names of up to {longest} characters")
    sources = {s: BY_NAME[s]() for s in _SOURCES}
    fields = [sources[name.source].field("", name.field) for name in index]
    order = sorted(range(len(rows)), key=times.__getitem__)
    return SuiteHost(
        hostname=samples[0].get("hostname") if samples else None,
        columns=[".".join(part for part in name if part) for name in index],
        units=[f.unit for f in fields],
        kinds=[f.kind for f in fields],
        timestamps_ns=[times[i] for i in order],
        ticks=own_ticks([ticks[i] for i in order]),
        rows=[rows[i] for i in order],
        error=error,
    )


def _error(sample: Mapping[str, Any]) -> str:
    errors = sample.get("errors")
    return ", ".join(map(str, errors.values())) if isinstance(errors, dict) else ""


def _number(hosts: list[SuiteHost], interval_ns: int) -> int:
    """Give every row a tick: its own, or by the time since the first row of all hosts.

    Returns the time of tick 0 (UTC, ns). The suite's collector needs longer than its interval for a
    round: its rows drift over the ticks, and some stay empty. Rows of several hosts that were taken
    together must line up, also where one of the hosts lacks a row.
    """
    with_rows = [h for h in hosts if h.rows]
    starts: list[int] = []
    own = True
    for host in with_rows:
        if host.ticks is None:
            own = False
        else:
            first_tick = max(host.ticks[0], 0)
            starts.append(host.timestamps_ns[0] - first_tick * interval_ns)
    if not own:
        starts = [h.timestamps_ns[0] for h in with_rows]
    start_ns = min(starts, default=0)
    for host in hosts:
        if not own or host.ticks is None:
            host.ticks = ticks_by_time(host.timestamps_ns, start_ns, interval_ns)
    return start_ns


def _time_ns(sample: Mapping[str, Any]) -> int:
    """UTC of a sample, ns; whole seconds where it has no ``timestamp_ns``."""
    if isinstance(sample.get("timestamp_ns"), int):
        return int(sample["timestamp_ns"])
    time_ns = _utc_ns(sample["timestamp"])
    if time_ns is None:
        raise ValueError(f"timestamp {sample['timestamp']!r}")
    return time_ns
