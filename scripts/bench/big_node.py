"""A synthetic large host: its kernel files, and its table as an hour fills it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit  # noqa: F401 - finds the package
import numpy as np
from by_hand import ByHand

from mpi_collector.benchmark.suite_recorder import SuiteRecorder
from mpi_collector.node.agent import foreign_files
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.host.snapshot import take
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.sample.sampler import Sampler

HOUR = 3600
ROWS_AT_ONCE = 256


def kernel_files(root: Path, cpus: int, disks: int, nics: int, seed: int = 1) -> Path:
    """Return ``root`` with the kernel files of a machine of that size; others are copies."""
    rng = random.Random(seed)
    proc = root / "proc"
    (proc / "net").mkdir(parents=True)

    def numbers(count: int, digits: int) -> str:
        return " ".join(str(rng.randrange(10 ** rng.randint(0, digits))) for _ in range(count))

    lines = [f"{259:4d} {i:7d} nvme{i}n1 {numbers(17, 11)}\n" for i in range(disks)]
    (proc / "diskstats").write_text("".join(lines))
    heads = Path("/proc/net/dev").read_text().splitlines(keepends=True)[:2]
    lines = [
        f"{name:>6}: {numbers(16, 14)}\n"
        for name in ["lo", *(f"enp{i}s0" for i in range(nics - 1))]
    ]
    (proc / "net/dev").write_text("".join([*heads, *lines]))
    rows = [("cpu ", 12), *((f"cpu{i}", 9) for i in range(cpus))]
    stat = "".join(f"{name} {numbers(10, digits)}\n" for name, digits in rows)
    rest = Path("/proc/stat").read_text().splitlines(keepends=True)
    (proc / "stat").write_text(stat + "".join(line for line in rest if not line.startswith("cpu")))
    for name in ("vmstat", "meminfo", "loadavg", "version", "cpuinfo", "uptime"):
        shutil.copyfile(f"/proc/{name}", proc / name)
    return root


def full_recorder(
    work: Path, root: Path, rows: int = HOUR, sources: str = "basic,stat", key: str = "host"
) -> SuiteRecorder:
    """Return a recorder with a full array: the first row is read, the others are derived from it.

    A third of the columns is constant, a third moves by up to a hundred, a third by up to a
    million, like fast counters.
    """
    options = SamplingOptions(
        interval_s=1.0, max_samples=rows, sources=sources, root=str(root), spool_dir=str(work)
    )
    recorder = SuiteRecorder(
        options,
        f"bench-{mono_ns()}",
        key,
        {"benchmark": "host", "identity": dict(identity(), hostname=key)},
    )
    foreign_files.take = _snapshot  # type: ignore[assignment]
    recorder.prepare()
    recorder.own_clock()
    began_ago_ns = (rows + 1) * 10**9
    begin = mono_ns() - began_ago_ns
    grid = {
        "type": "grid",
        "t0_ns": begin,
        "epoch_ns": wall_ns() - began_ago_ns,
        "interval_ns": 10**9,
        "policy": "decimate",
        "capacity": rows,
    }
    recorder.spool.event(grid)
    for tick, payload in enumerate(_payloads(recorder, rows, begin)):
        recorder.spool.write_row(tick, tick, payload)
    recorder.spool.event({"type": "end", "last_tick": rows - 1, "samples": rows})
    recorder._end_snapshot = _later(_snapshot((), options.root))
    return recorder


def _later(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The same host an hour later: what counts has grown."""
    grown = ("meminfo", "vmstat", "diskstats", "netdev")
    return {**snapshot, **{part: _grown(snapshot[part]) for part in grown}, "uptime_seconds": 1e5}


def _grown(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _grown(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_grown(v) for v in value]
    return value + value // 7 if isinstance(value, int) else value


def _snapshot(directories: Any, root: str, full: bool = False) -> dict[str, Any]:
    """What the tree says, and of this machine what the tree does not have."""
    found = {**take(directories, "/"), **{k: v for k, v in take(directories, root).items() if v}}
    nvme = next(iter(found["drives"]), {"name": "", "model": "", "size_bytes": 0})
    disks = [d["device_name"] for d in found["diskstats"]]
    return {**found, "drives": [{**nvme, "name": name} for name in disks]}


def _payloads(recorder: Any, rows: int, begin_ns: int) -> Iterator[bytes]:
    spool, rng = recorder.spool, np.random.default_rng(1)
    by_hand = ByHand()
    sampler = Sampler(recorder.probe, spool, recorder._decoder, "decimate", rows, timer=by_hand)
    by_hand.run(sampler, 2)
    at, size = spool.shape.rows_at, spool.shape.row_size
    first = np.frombuffer(bytes(spool.view[at + 16 : at + size]), np.int64)
    for used in (0, sampler.capacity):  # the sample and the one of the stop
        spool.mm[at + used * size : at + used * size + 8] = bytes(8)
    head = spool.shape.row_head_words
    missing = first == -(2**63)
    speed = np.array([0, 100, 10**6])[rng.integers(0, 3, len(first))]
    speed[missing] = 0
    speed[:head] = 0
    row = first.copy()
    for at in range(0, rows, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, rows - at)
        steps = rng.integers(0, speed + 1, (count, len(first)))
        block = row + np.cumsum(steps, axis=0)
        block[:, 0] = begin_ns + (at + np.arange(count)) * 10**9
        block[:, 1] = wall_ns() + (at + np.arange(count)) * 10**9
        block[:, 2] = rng.integers(20_000, 300_000, count)
        block[:, 3] = rng.integers(200_000, 400_000, count)
        row = block[-1].copy()
        for line in block:
            yield line.tobytes()
