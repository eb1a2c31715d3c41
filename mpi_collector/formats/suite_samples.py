"""``*_timeseries.json``: the suite's time series, and rows as its samples.

A sample is one ``%`` on a template that is made once per pattern of missing values: a dictionary
per sample would cost ten times as much.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.sample_rows import RecordedHost, RecordedRows, Rows
from mpi_collector.node.row.layout import MISSING, DeviceTable, Layout
from mpi_collector.node.status import OK, SKIPPED, STATUS_NAMES

#: sources that are a list of objects, one per device -> the key with the device's name
DEVICE_LISTS = {"diskstats": "device_name", "netdev": "interface_name"}
#: sources that are one object {field: value}
FLAT_SOURCES = ("vmstat", "meminfo", "loadavg")
#: members of our key ``cpu`` that are no CPU times (USER_HZ)
CPU_SCALARS = ("ctxt", "processes", "procs_running", "procs_blocked")
_LOADS = ("load_1min", "load_5min", "load_15min")
_NOT_IN_SUITE = {"loadavg": ("last_pid",)}
_NO_ERROR = (OK, SKIPPED)
_TEMPLATES_MAX = 64  #: a device that comes and goes must not fill the memory


class _AnySample(TypedDict):
    timestamp: str  #: UTC, whole seconds
    hostname: str  #: the host's own name


class Sample(_AnySample, total=False):
    """A sample of ``*_timeseries.json``. A value that is missing has no key."""

    timestamp_ns: int  #: UTC (ours)
    tick: int  #: -1: the sample of the stop (ours)
    diskstats: list[dict[str, Any]]  #: a row for each line of /proc/diskstats
    netdev: list[dict[str, Any]]  #: a row for each line of /proc/net/dev
    vmstat: dict[str, int]  #: /proc/vmstat, the kernel's units
    meminfo: dict[str, int]  #: /proc/meminfo, kB, except the counts of huge pages
    loadavg: dict[str, float]  #: /proc/loadavg
    cpu: dict[str, int]  #: the lines cpu and CPU_SCALARS of /proc/stat, USER_HZ (ours)
    errors: dict[str, str]  #: source -> why it has no values; absent when there are none


class TimeSeriesHead(TypedDict):
    """The members of ``*_timeseries.json`` beside ``samples_by_host``."""

    collection_interval_seconds: float
    start_time: str  #: UTC, whole seconds
    end_time: str  #: UTC, whole seconds
    num_samples: int  #: of all hosts
    collection_method: str  #: mpi, ssh or local
    hosts_requested: list[str]
    hosts_collected: list[str]  #: hosts with at least one sample


class TimeSeries(TimeSeriesHead):
    """The whole of ``*_timeseries.json``."""

    samples_by_host: dict[str, list[Sample]]  #: every requested host, [] if it gave nothing


def _text(value: object) -> str:
    """The JSON of ``value`` as part of a template."""
    return json.dumps(value).replace("%", "%%")


class Template(NamedTuple):
    """A sample's members from kernel files, for rows with one pattern of missing values."""

    text: str  #: with a %s for each value
    columns: list[int]  #: column of each value
    loads: list[int]  #: which of the values are loads, stored as hundredths


class SampleTemplates:
    """Templates for the rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._known: dict[bytes, Template] = {}

    def of(self, present: bytes) -> Template:
        """Return the template for rows whose column n is there when ``present[n]``."""
        if present not in self._known:
            if len(self._known) > _TEMPLATES_MAX:
                self._known.clear()
            self._known[present] = self._build(present)
        return self._known[present]

    def _build(self, present: bytes) -> Template:
        parts: list[str] = []
        picks: list[int] = []
        loads: list[int] = []
        for table in self.layout.tables:
            if table.source in DEVICE_LISTS:
                objects = [
                    self._object(table, d, present, picks, DEVICE_LISTS[table.source])
                    for d in table.devices
                ]
                parts.append(f'"{table.source}": [{", ".join(o for o in objects if o)}]')
            elif table.source in FLAT_SOURCES and "" in table.slot_of:
                start = len(picks)
                body = self._object(table, "", present, picks)
                if table.source == "loadavg":
                    columns = [table.column("", f) for f in _LOADS if f in table.field_at]
                    loads = [i for i in range(start, len(picks)) if picks[i] in columns]
                if body:
                    parts.append(f'"{table.source}": {body}')
        cpu = self._cpu(present, picks)
        return Template(", ".join([*parts, cpu] if cpu else parts), picks, loads)

    @staticmethod
    def _object(
        table: DeviceTable, device: str, present: bytes, picks: list[int], name_key: str = ""
    ) -> str:
        """The JSON object of the fields that are there; "" when none is."""
        cells = []
        for field in table.fields:
            column = table.column(device, field.name)
            if not present[column] or field.name in _NOT_IN_SUITE.get(table.source, ()):
                continue
            if name_key and field.name.startswith("field_"):
                continue  # nothing of ours inside the suite's objects
            cells.append(f"{_text(field.name)}: %s")
            picks.append(column)
        if not cells:
            return ""
        if name_key:
            cells.insert(0, f"{_text(name_key)}: {_text(device)}")
        return "{" + ", ".join(cells) + "}"

    def _cpu(self, present: bytes, picks: list[int]) -> str:
        cells = []
        for table in self.layout.tables:
            if table.source != "stat":
                continue
            device = "cpu" if table.name == "cpu" else ""
            for field in table.fields:
                if device not in table.slot_of or (not device and field.name not in CPU_SCALARS):
                    continue
                column = table.column(device, field.name)
                if present[column]:
                    cells.append(f"{_text(field.name)}: %s")
                    picks.append(column)
        return f'"cpu": {{{", ".join(cells)}}}' if cells else ""


def encode_samples(rows: Rows, hostname: str) -> Iterator[bytes]:
    """Yield the JSON list of a host's samples, row after row, brackets included."""
    templates = SampleTemplates(rows.layout)
    sources = rows.layout.sources
    status = rows.statuses()
    times = rows.utc_ns()
    name = json.dumps(hostname)
    yield b"["
    for n, tick in enumerate(rows.ticks):
        errors = row_errors(sources, status, n)
        head = (
            f'{{"timestamp": "{utc_text(times[n])}", "hostname": {name}, '
            f'"timestamp_ns": {times[n]}, "tick": {tick}'
        )
        body = render(templates, rows.row(n))
        tail = f', "errors": {json.dumps(errors)}' if errors else ""
        yield f"{',' if n else ''}\n{head}{', ' + body if body else ''}{tail}}}".encode()
    yield b"]"


def encode_recorded(host: RecordedHost) -> Iterator[bytes]:
    """Yield the JSON list of the samples of a host of a recording."""
    return encode_samples(RecordedRows(host), RecordedRows.hostname(host))


def render(templates: SampleTemplates, row: Sequence[int]) -> str:
    """Return the members of a sample that come from kernel files, "" when there are none."""
    template, values = shown_values(templates, row)
    return template.text % tuple(values)


def shown_values(
    templates: SampleTemplates, row: Sequence[int]
) -> tuple[Template, list[int] | list[float]]:
    """Return the template of a row and its values, as a sample shows them."""
    template = templates.of(bytes([v != MISSING for v in row]))
    values = [row[column] for column in template.columns]
    if values and min(values) < 0:  # a counter above 2^63
        values = [v + (1 << 64) if v < 0 else v for v in values]
    if not template.loads:
        return template, values
    shown: list[float] = list(values)
    for i in template.loads:
        shown[i] = values[i] / 100
    return template, shown


def row_errors(sources: Sequence[str], statuses: Sequence[Sequence[int]], n: int) -> dict[str, str]:
    """Return {source: why it has no values in row n}."""
    return {
        source: STATUS_NAMES[status[n]]
        for source, status in zip(sources, statuses)
        if status[n] not in _NO_ERROR
    }


def utc_text(utc_ns: int) -> str:
    """Return UTC in whole seconds, as the suite writes it."""
    return _second_text(utc_ns // 1_000_000_000)


@lru_cache(maxsize=1)  # the samples of a second come one after the other
def _second_text(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def time_series_head(
    run: RunDocument, hosts: Sequence[str] | None = None, method: str | None = None
) -> TimeSeriesHead:
    """Return what the time series of ``run`` says beside its samples.

    hosts: those that are written, where these are not all. method: in place of the run's.
    """
    samples = {k: f["samples"] for k, f in run["facts"].items() if hosts is None or k in hosts}
    return {
        "collection_interval_seconds": run["interval_ns"] / 1e9,
        "start_time": utc_text(run["start_ns"]),
        "end_time": utc_text(run["end_ns"]),
        "num_samples": sum(samples.values()),
        "collection_method": method or run.get("collection_method", "unknown"),
        "hosts_requested": run["hosts_requested"] if hosts is None else list(hosts),
        "hosts_collected": [k for k, n in samples.items() if n],
    }
