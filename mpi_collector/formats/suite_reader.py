"""Recordings of the suite's own collector (``*_timeseries.json``), so that earlier runs can be looked at and compared."""

from __future__ import annotations

import calendar
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.node.sources import BY_NAME
from mpi_collector.node.status import OK
from mpi_collector.store.recording import Recording

_SIZE_MAX = 4 << 30
_DEVICES = {"diskstats": "device_name", "netdev": "interface_name"}
_FLAT = ("vmstat", "meminfo", "loadavg")
_SOURCES = (*_DEVICES, *_FLAT, "stat")
_CPU_SCALARS = (
    "ctxt",
    "processes",
    "procs_running",
    "procs_blocked",
)  #: of our own ``cpu``; the others are the times


def load_suite(path: Path) -> Recording:
    """A recording of what is in a ``*_timeseries.json``, the suite's or ours. RecordingError when it is none.

    The suite's own have whole seconds; samples that carry ``timestamp_ns`` are exact.
    """
    try:
        if path.stat().st_size > _SIZE_MAX:
            raise RecordingError(
                f"{path}: {path.stat().st_size} bytes are more than this reads; use the .npz beside it"
            )
        document = json.loads(path.read_text(encoding="utf-8"))
        interval_ns = max(int(float(document.get("collection_interval_seconds") or 10) * 1e9), 1)
        hosts = {str(h): _host(samples) for h, samples in document["samples_by_host"].items()}
        for name in hosts:
            name.encode()  # it becomes a name in a zip file
        start_ns = _number(hosts, interval_ns)
    except (OSError, ValueError, RecursionError, OverflowError) as e:
        raise RecordingError(f"{path}: not a time series of the suite: {e}") from e
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise RecordingError(f"{path}: not a time series of the suite: no usable {e}") from e
    with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
        target = Path(directory) / path.name.replace(".json", ".npz")
        arrays = {f"{h}/{k}": v for h, found in hosts.items() for k, v in found.items()}
        np.savez(
            target,
            **arrays,
            run=np.array(json.dumps(_run(path, document, hosts, start_ns, interval_ns))),
        )
        recording = Recording(target)  # the file may go: it is open
    recording.path = path
    return recording


def _cells(sample: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """(source, device, field, value) of a sample."""
    for source, name_key in _DEVICES.items():
        for row in sample.get(source) or ():
            for field, value in row.items():
                if field != name_key and isinstance(value, int):
                    yield source, str(row[name_key]), field, value
    for source in _FLAT:
        for field, value in (sample.get(source) or {}).items():
            if isinstance(value, int | float):
                hundredths = source == "loadavg" and field.startswith("load_")
                yield source, "", str(field), round(value * 100) if hundredths else int(value)
    for field, value in (sample.get("cpu") or {}).items():
        if isinstance(value, int):
            yield "stat", "" if field in _CPU_SCALARS else "cpu", str(field), value


def _host(samples: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The arrays of one host, as a recording has them."""
    rows: list[list[tuple[str, str, str, int]]] = []
    index: dict[tuple[str, str, str], int] = {}
    times: list[int] = []
    ticks: list[Any] = []
    for sample in samples:
        cells = list(_cells(sample))
        if not cells:
            continue  # a host that could not be reached
        for source, device, field, _value in cells:
            index.setdefault((source, device, field), len(index))
        rows.append(cells)
        times.append(_time_ns(sample))
        ticks.append(sample.get("tick"))
    if len(rows) * len(index) * 8 > _SIZE_MAX:
        raise ValueError(f"{len(rows)} samples with {len(index)} names are more than this reads")
    values = np.full((len(rows), len(index)), MISSING, dtype=np.int64)
    for n, cells in enumerate(rows):
        for source, device, field, value in cells:
            values[n, index[source, device, field]] = np.uint64(value % (1 << 64)).astype(np.int64)
    known = {s: BY_NAME[s]() for s in _SOURCES}
    fields = [known[s].field("", f) for s, _d, f in index]
    names = [".".join(part for part in key if part) for key in index]
    order = np.argsort(times, kind="stable")
    times_ns = np.array(times, dtype=np.int64)[order]
    empty = np.zeros((len(rows), 0), dtype=np.int64)
    return {
        "meta": np.array(
            json.dumps(
                {
                    "identity": {"hostname": samples[0].get("hostname") if samples else None},
                    "events": [],
                }
            )
        ),
        "columns": np.array(names, dtype=str),
        "units": np.array([f.unit for f in fields], dtype=str),
        "kinds": np.array([f.kind for f in fields], dtype=str),
        "sources": np.array([], dtype=str),
        "tick": _own_ticks([ticks[i] for i in order.tolist()]),
        "timestamp_ns": times_ns,
        "clock_bound_ns": np.zeros(len(rows), dtype=np.int64),
        "source_status": empty + OK,
        "values": values[order],
    }


def _own_ticks(ticks: list[Any]) -> npt.NDArray[np.int64] | None:
    """Those our own files have, the stop row last; None when they are not there or make no sense."""
    grid = ticks[:-1] if ticks[-1:] == [STOP_TICK] else ticks
    if (
        not grid
        or not all(isinstance(t, int) and 0 <= t < 1 << 40 for t in grid)
        or any(a >= b for a, b in pairwise(grid))
    ):
        return None
    return np.array(ticks, dtype=np.int64)


def _number(hosts: dict[str, dict[str, Any]], interval_ns: int) -> int:
    """Give ticks to every row: our own, or by the time since the first row of all hosts. Returns the time of tick 0.

    The suite's collector needs longer than its interval for a round: its rows drift over the ticks, and some stay empty.
    Rows of several hosts that were taken together have to line up, also where one of them lacks a row.
    """
    with_rows = [h for h in hosts.values() if len(h["timestamp_ns"])]
    own = all(h["tick"] is not None for h in with_rows)
    if own:
        starts = [
            int(h["timestamp_ns"][0]) - max(int(h["tick"][0]), 0) * interval_ns for h in with_rows
        ]
    else:
        starts = [int(h["timestamp_ns"][0]) for h in with_rows]
    start_ns = min(starts, default=0)
    for h in hosts.values():
        if own and h["tick"] is not None:
            continue
        wanted = (h["timestamp_ns"] - start_ns + interval_ns // 2) // interval_ns
        count = np.arange(len(wanted), dtype=np.int64)
        h["tick"] = (
            np.maximum.accumulate(wanted - count) + count if len(wanted) else wanted
        )  # each later than the one before
    return start_ns


def _time_ns(sample: Mapping[str, Any]) -> int:
    if isinstance(sample.get("timestamp_ns"), int):
        return int(sample["timestamp_ns"])
    return (
        calendar.timegm(time.strptime(str(sample["timestamp"]), "%Y-%m-%dT%H:%M:%SZ"))
        * 1_000_000_000
    )


def _run(
    path: Path,
    document: Mapping[str, Any],
    hosts: Mapping[str, dict[str, Any]],
    start_ns: int,
    interval_ns: int,
) -> dict[str, Any]:
    ends = [int(h["timestamp_ns"][-1]) for h in hosts.values() if len(h["timestamp_ns"])]
    stem = path.name.removesuffix("_timeseries.json")
    facts: dict[str, dict[str, Any]] = {}
    for key, h in hosts.items():
        n = len(h["tick"])
        ticks = int((h["tick"] != STOP_TICK).sum())
        facts[key] = {"samples": n, "ticks": ticks, "last_tick": int(h["tick"].max(initial=-1)),
                      "missed": 0, "level": 0, "complete": True,
                      "late_p50_ns": None, "late_p99_ns": None, "late_max_ns": None, "cpu_share": None,
                      "statuses": {}, "lost": [], "marks": [],
                      "columns": len(h["columns"])}  # fmt: skip
    got = [k for k, f in facts.items() if f["samples"]]
    partial = {k: "no samples" for k in facts if k not in got}
    verdict = {"verdict": "partial" if partial else "complete", "reasons": [f"{k}: {why}" for k, why in partial.items()],
               "hosts": len(got), "hosts_requested": len(facts), "ticks": sum(f["ticks"] for f in facts.values()), "missed": 0,
               "late_p99_ns": 0, "clock_bound_ns": 0, "cpu_share_max": 0.0, "crash_proof": True}  # fmt: skip
    return {
        "format": 1, "program": "MLPerf Storage's own collector", "run": stem, "stem": stem, "benchmark": stem.rsplit("_", 2)[0],
        "collection_method": document.get("collection_method", "unknown"), "ended_by": "unknown", "hosts": got,
        "hosts_requested": list(facts), "hosts_partial": partial, "missing_ranks": [], "t0_ns": 0,
        "start_ns": start_ns, "end_ns": max(ends, default=0),
        "interval_ns": interval_ns, "capacity": 0, "options": {},
        "warnings": {}, "clock_bound_ns": {}, "facts": {k: facts[k] for k in got}, "command": None, "command_exit_code": None,
        "marks": [], "written_ns": 0, "verdict": verdict,
    }  # fmt: skip


def open_recording(path: str | Path) -> Recording:
    """What ``load`` opens, and ``*_timeseries.json`` of the suite where there is no native recording."""
    from mpi_collector.store.recording import load

    p = Path(path)
    if p.is_dir() and not list(p.glob("*_timeseries.npz")):
        found = sorted(p.glob("*_timeseries.json"), key=lambda f: f.name.split("_")[-3:])
        p = found[-1] if found else p
    return load_suite(p) if p.suffix == ".json" else load(p)
