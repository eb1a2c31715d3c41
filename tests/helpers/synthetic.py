"""Synthetic recordings: arrays of numbers written in the native format, host after host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mpi_collector.formats.run_document import run_document
from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.node.table.npy import int_member, json_member, text_member
from mpi_collector.output.npz import NpzWriter
from mpi_collector.store.host import Float64, Int64

START_NS = 1_767_614_400_000_000_000  #: 2026-01-05 12:00:00 UTC
S = 1_000_000_000
CPUS = 32
USER_HZ = 100

#: (unit, kind) by the last part of a column's name; counters of events otherwise
_UNITS = {
    "sectors_read": "sectors_512_bytes",
    "sectors_written": "sectors_512_bytes",
    "rx_bytes": "bytes",
    "tx_bytes": "bytes",
    "cpu_ns": "ns",
    "rss_bytes": "bytes",
}
_GAUGES = ("ios_in_progress", "rss_bytes", "procs_running", "procs_blocked")


@dataclass
class SynthHost:
    """One host.

    ``columns``: {name: int64 (rows,)}. ``tick``: (rows,), -1 for the stop row. ``times``: (rows,) UTC
    ns. ``sources``: {source: (rows,) statuses}; without any, there are no such members.
    """

    tick: Int64
    times: Int64
    columns: dict[str, Int64]
    meta: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Int64] = field(
        default_factory=dict
    )  #: {source: (rows,) statuses}; none: no such members


def unit_kind(column: str) -> tuple[str, str]:
    """What the real sources declare, as far as it matters here."""
    last = column.rsplit(".", 1)[-1]
    if column.startswith("meminfo."):
        return "kB", "gauge"
    if column.startswith("stat."):
        return "USER_HZ", "counter"
    unit = "ms" if last.endswith("_ms") else _UNITS.get(last, "events")
    return unit, "gauge" if last in _GAUGES else "counter"


def facts_of(host: SynthHost) -> dict[str, Any]:
    ticks = int((host.tick != STOP_TICK).sum())
    last = int(host.tick.max(initial=-1))
    base = {
        "samples": len(host.tick),
        "ticks": ticks,
        "last_tick": last,
        "missed": max(last + 1 - ticks, 0),
        "level": 0,
        "complete": True,
        "late_p50_ns": 90_000,
        "late_p99_ns": 210_000,
        "late_max_ns": 600_000,
        "cpu_share": 0.0004,
        "statuses": {},
        "lost": [],
        "columns": len(host.columns),
    }
    return {**base, **host.facts}


def members(key: str, host: SynthHost) -> Iterable[Any]:
    rows, names = len(host.tick), list(host.columns)
    units = [unit_kind(n) for n in names]
    meta = {
        "host": key,
        "identity": {"hostname": key},
        "events": [],
        "facts": facts_of(host),
        **host.meta,
    }
    yield json_member(f"{key}/meta", meta)
    yield text_member(f"{key}/columns", names)
    yield text_member(f"{key}/units", [u for u, _ in units])
    yield text_member(f"{key}/kinds", [k for _, k in units])
    yield int_member(f"{key}/tick", [host.tick], rows, flat=True)
    yield int_member(f"{key}/timestamp_ns", [host.times], rows, flat=True)
    yield int_member(f"{key}/values", host.columns.values(), rows)
    if host.sources:
        yield text_member(f"{key}/sources", list(host.sources))
        yield int_member(f"{key}/source_status", host.sources.values(), rows)


def write(
    path: Path, hosts: Iterable[tuple[str, SynthHost]], interval_s: float = 1.0, **run: Any
) -> Path:
    """Write a recording of ``hosts``, one after the other. ``run``: keys of the run document."""
    facts: dict[str, Any] = {}
    end = START_NS
    with open(path, "wb") as f:
        writer = NpzWriter(f)
        for key, host in hosts:
            writer.add(members(key, host))
            facts[key] = facts_of(host)
            end = max([end, *host.times[-1:].tolist()])
        known: dict[str, Any] = {
            "program": "mpi_collector 0",
            "run": "host_20260105_120000-abc",
            "stem": "host_20260105_120000",
            "benchmark": "host",
            "collection_method": "mpi",
            "ended_by": "command",
            "hosts": list(facts),
            "hosts_requested": list(facts),
            "hosts_partial": {},
            "t0_ns": 0,
            "start_ns": START_NS,
            "end_ns": end,
            "interval_ns": int(interval_s * S),
            "capacity": 3600,
            "options": {},
            "warnings": {},
            "clock_bound_ns": dict.fromkeys(facts, 12_000),
            "facts": facts,
            "command": ["./benchmark", "--size", "10G"],
            "command_exit_code": 0,
            "written_ns": end,
        }
        marks = run.pop("marks", [])  # written as they are, damaged ones too
        writer.finish({**run_document(**{**known, "marks": [], **run}), "marks": marks})
    return path


def grid(
    rows: int, interval_s: float = 1.0, stop_s: float | None = 0.02, jitter_ns: int = 0
) -> tuple[Int64, Int64]:
    """Return tick and times of ``rows`` ticks and of the stop row, ``stop_s`` later (None: none)."""
    tick = np.arange(rows, dtype=np.int64)
    times = START_NS + np.round(tick * interval_s * S).astype(np.int64) + jitter_ns
    if stop_s is None:
        return tick, times
    return np.append(tick, STOP_TICK), np.append(times, times[-1] + round(stop_s * S))


def counter(rate: Float64 | float, times: Int64, start: int = 1000) -> Int64:
    """A counter that grows with ``rate`` per second, (rows - 1,) or one number, from ``start``."""
    seconds = np.diff(times) / S
    grown = np.cumsum(np.broadcast_to(np.asarray(rate, dtype=np.float64), seconds.shape) * seconds)
    return np.concatenate(([0], np.round(grown))).astype(np.int64) + start


def disk(
    name: str, times: Int64, read: Float64 | float, write: Float64 | float, block: int = 1 << 20
) -> dict[str, Int64]:
    """Return diskstats columns of a device with these bytes per second; it saturates at 3 GB/s."""
    read, write = np.asarray(read, dtype=np.float64), np.asarray(write, dtype=np.float64)
    load = np.clip((read + write) / 3e9, 0, 0.999)
    latency = 0.2 + 0.6 * load / (1.02 - load)  # ms
    rates = {
        "reads_completed": read / block,
        "sectors_read": read / 512,
        "time_reading_ms": read / block * latency,
        "writes_completed": write / block,
        "sectors_written": write / 512,
        "time_writing_ms": write / block * latency * 1.5,
        "time_doing_ios_ms": 1000 * load,
        "weighted_time_doing_ios_ms": (read + 1.5 * write) / block * latency,
    }
    return {f"diskstats.{name}.{k}": counter(r, times) for k, r in rates.items()}


def nic(name: str, times: Int64, rx: Float64 | float, tx: Float64 | float) -> dict[str, Int64]:
    return {
        f"netdev.{name}.rx_bytes": counter(rx, times),
        f"netdev.{name}.tx_bytes": counter(tx, times),
    }


def cpu(
    times: Int64, busy: Float64 | float, iowait: Float64 | float, cpus: int = CPUS
) -> dict[str, Int64]:
    """stat columns for ``busy`` and ``iowait``, shares of 1."""
    busy, iowait = np.asarray(busy, dtype=np.float64), np.asarray(iowait, dtype=np.float64)
    hz = cpus * USER_HZ
    shares = {
        "user": busy * 0.7,
        "nice": 0 * busy,
        "system": busy * 0.28,
        "idle": 1 - busy - iowait,
        "iowait": iowait,
        "irq": 0 * busy,
        "softirq": busy * 0.02,
        "steal": 0 * busy,
        "guest": busy * 0.5,
    }
    out = {f"stat.cpu.{k}": counter(v * hz, times) for k, v in shares.items()}
    out.update({f"stat.cpu{n}.idle": out["stat.cpu.idle"] // cpus for n in range(cpus)})
    return out


def memory(
    used: Float64 | float,
    cache: Float64 | float,
    dirty: Float64 | float,
    rows: int,
    total: float = 256e9,
) -> dict[str, Int64]:
    """meminfo columns, from bytes; ``used`` and the others: (rows,) or one number."""
    used, cache, dirty = (
        np.broadcast_to(np.asarray(x, dtype=np.float64), (rows,)) for x in (used, cache, dirty)
    )
    kb = {
        "MemTotal": np.full(rows, total),
        "MemFree": total - used - cache,
        "Buffers": np.full(rows, 1e8),
        "Cached": cache - 1e8,
        "Dirty": dirty,
    }
    return {f"meminfo.{k}": np.round(v / 1024).astype(np.int64) for k, v in kb.items()}


def workload(
    n: int, rows: int = 600, interval_s: float = 1.0, speed: float = 1.0, seed: int = 0
) -> SynthHost:
    """Return host ``n`` of a training-like run: reading, and a checkpoint written in each epoch.

    ``speed``: factor of the speed of its devices.
    """
    rng = np.random.default_rng((seed, n))
    tick, times = grid(rows, interval_s, jitter_ns=int(rng.integers(0, 300_000)))
    m = len(times) - 1
    phase = np.linspace(0, 5, m, endpoint=False) % 1
    noise = rng.gamma(30, 1 / 30, m)
    read = np.where(phase < 0.75, 2.1e9 * noise, 0.05e9) * speed
    written = np.where((phase >= 0.78) & (phase < 0.95), 2.6e9 * noise, 1e6 * noise) * speed
    read[rng.integers(0, m)] *= 1.25  # a peak of one interval
    cache = 40e9 + np.minimum(np.cumsum(read * interval_s) * 0.05, 150e9)
    columns: dict[str, Int64] = {}
    for d in range(2):
        columns.update(disk(f"nvme{d}n1", times, read / 2, written / 2))
    columns.update(disk("sda", times, 2e4 * noise, 5e5 * noise, 4096))
    columns.update(disk("dm-0", times, read, written))
    columns.update(nic("lo", times, 1e5, 1e5) | nic("eth0", times, 4e5 * noise, 3e5 * noise))
    columns.update(nic("ib0", times, read * 0.4 + 1e5, written * 0.3 + 1e5))
    columns.update(
        cpu(
            times,
            np.where(phase < 0.75, 0.45, 0.15) * noise.clip(0, 2),
            np.where(phase > 0.75, 0.2, 0.03),
        )
    )
    columns.update(memory(30e9, np.append(cache[0], cache), np.append(0, written * 2), len(tick)))
    columns["collector.cpu_ns"] = counter(4e5, times)
    columns["collector.rss_bytes"] = np.full(len(tick), 31_000_000, dtype=np.int64)
    return SynthHost(tick, times, columns)


def pair(text: str, begin: int, end: int, host: str | None = "node001") -> list[dict[str, Any]]:
    """The two marks of a phase."""
    return [
        {"text": text, "edge": edge, "utc_ns": at, "host": host}
        for edge, at in (("begin", begin), ("end", end))
    ]


def phases(rows: int, interval_s: float = 1.0) -> list[dict[str, Any]]:
    """Marks that go with ``workload``."""
    epoch = rows * interval_s / 5
    out: list[dict[str, Any]] = []
    for n in range(5):
        begin = START_NS + int(n * epoch * S)
        end = begin + int(0.75 * epoch * S)
        out += pair(f"epoch {n + 1}", begin, end)
        end, begin = begin + int(0.95 * epoch * S), begin + int(0.78 * epoch * S)
        out += pair(f"checkpoint {n + 1}", begin, end)
    return out


def lose(host: SynthHost, rows: slice | Int64) -> SynthHost:
    """Without these rows."""
    keep = np.ones(len(host.tick), dtype=bool)
    keep[rows] = False
    columns = {k: v[keep] for k, v in host.columns.items()}
    return SynthHost(host.tick[keep], host.times[keep], columns, host.meta, host.facts)


def blank(host: SynthHost, prefix: str, rows: slice) -> SynthHost:
    """With the columns of ``prefix`` missing in these rows."""
    columns = {k: v.copy() for k, v in host.columns.items()}
    for name, values in columns.items():
        if name.startswith(prefix):
            values[rows] = MISSING
    return SynthHost(host.tick, host.times, columns, host.meta, host.facts)


def cluster(
    path: Path,
    hosts: int,
    rows: int = 600,
    interval_s: float = 1.0,
    marks: bool = True,
    odd: Mapping[int, float] | None = None,
    names: list[str] | None = None,
    **run: Any,
) -> Path:
    """A recording of so many hosts; ``odd``: {host number: speed} for those that are slower."""
    keys = names or [f"node{n:03d}" for n in range(1, hosts + 1)]

    def every() -> Iterable[tuple[str, SynthHost]]:
        for n, key in enumerate(keys):
            host = workload(n, rows, interval_s, (odd or {}).get(n, 1.0))
            yield key, host

    return write(
        path, every(), interval_s, **{"marks": phases(rows, interval_s) if marks else [], **run}
    )
