"""Record modelled hosts with the real sampler: kernel files that change under a fake clock."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from corpus.kernel_files import write_counters, write_machine
from corpus.machine import Counters, Load, Machine, advance
from nodekit import FakeTime, memory_spool

from mpi_collector.formats.run_document import run_document
from mpi_collector.node import sources
from mpi_collector.node.host.snapshot import take, topology
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sample.sampler import Sampler
from mpi_collector.node.table.facts import facts_of
from mpi_collector.node.table.pack import pack
from mpi_collector.node.table.table import SampleTable
from mpi_collector.output.npz import NpzWriter

START_NS = 1_767_614_400_000_000_000  #: 2026-01-05 12:00:00 UTC
S = 1_000_000_000
STEPS = 5  #: of the model in an interval
_FAST = "/dev/shm"  #: kernel files are written anew for every sample
SOURCES = "basic,stat,pressure,tcp,cgroup,nfs,lustre"


@dataclass(frozen=True)
class Phase:
    """A stretch of the run. ``loads``: one for all hosts, or one for each."""

    name: str
    seconds: int
    loads: tuple[Load, ...]

    def load(self, host: int) -> Load:
        return self.loads[host % len(self.loads)]


class ModelTime(FakeTime):
    """A timer whose wait lets the modelled job run and writes the kernel files anew."""

    def __init__(self, root: Path, counters: Counters, plan: Sequence[Load], step_s: float) -> None:
        super().__init__()
        self._root = root
        self._counters = counters
        self._plan = plan
        self._step_s = step_s
        self._began = self.now
        self._done = 0

    def block(self) -> None:
        super().block()
        due = round((self.now - self._began) / 1e9 / self._step_s)
        for step in range(self._done, min(due, len(self._plan))):
            advance(self._counters, self._plan[step], self._step_s)
        self._done = max(self._done, due)
        write_counters(self._root, self._counters)


def _record_host(
    writer: NpzWriter,
    key: str,
    machine: Machine,
    plan: Sequence[Load],
    interval_s: float,
    rng: np.random.Generator,
    number: int,
    spec: str,
) -> Any:
    step_s = interval_s / STEPS
    ticks = len(plan) // STEPS
    with tempfile.TemporaryDirectory(dir=_FAST if os.path.isdir(_FAST) else None) as directory:
        root = Path(directory)
        counters = Counters(machine, rng)
        write_machine(root, machine, number)
        for _ in range(20):  # counters of some traffic before the run
            advance(counters, replace(plan[0], threads=0), 1.0)
        write_counters(root, counters)
        probe = Probe(sources.select(spec), str(root))
        spool = memory_spool(probe, ticks + 2)
        time = ModelTime(root, counters, plan, step_s)
        sampler = Sampler(probe, spool, timer=time, clock=time.clock)
        snapshot = take((), str(root))
        try:
            began = time.now
            for event in (
                {
                    "type": "grid",
                    "t0_ns": began,
                    "epoch_ns": START_NS,
                    "interval_ns": round(interval_s * S),
                    "policy": "decimate",
                    "capacity": ticks + 1,
                },
                {"type": "clock", "mono_ns": began, "offset_ns": 0, "bound_ns": 0},
            ):
                spool.event(event)
            sampler.sample(time.grid(round(interval_s * S), ticks))
            spool.event({"type": "end", "last_tick": sampler.last_tick, "samples": sampler.taken})
            table = SampleTable(spool.reader())
            table.meta.update(
                host=key,
                identity={"hostname": key},
                snapshot=snapshot,
                topology=topology(snapshot),
                snapshot_end=snapshot,
            )
            writer.add(m for m in pack(table, key) if m.kind == "npz")
            return facts_of(table)
        finally:
            sampler.close()
            spool.close(remove=True)


def record(
    path: Path,
    machines: Sequence[Machine],
    phases: Sequence[Phase],
    *,
    seed: int,
    interval_s: float = 1.0,
    spec: str = SOURCES,
) -> None:
    """Write the recording of a modelled run. Phases become marks; ``machines``: one a host."""
    keys = [f"node{n + 1}" for n in range(len(machines))]
    facts = {}
    with open(path, "wb") as file:
        writer = NpzWriter(file)
        for n, (key, machine) in enumerate(zip(keys, machines)):
            plan = [
                phase.load(n)
                for phase in phases
                for _ in range(round(phase.seconds / interval_s * STEPS))
            ]
            rng = np.random.default_rng((seed, n))
            facts[key] = _record_host(writer, key, machine, plan, interval_s, rng, n, spec)
        seconds = sum(p.seconds for p in phases)
        writer.finish(_document(keys, facts, phases, interval_s, seconds))


def _document(
    keys: list[str], facts: dict[str, Any], phases: Sequence[Phase], interval_s: float, seconds: int
) -> Any:
    marks = []
    at = 0.0
    for phase in phases:
        for edge, moment in (("begin", at), ("end", at + phase.seconds)):
            if phase.name:
                marks.append(
                    {
                        "text": phase.name,
                        "edge": edge,
                        "utc_ns": START_NS + round(moment * S),
                        "host": None,
                    }
                )
        at += phase.seconds
    end = START_NS + seconds * S
    return run_document(
        run="host_20260105_120000-abc", stem="host_20260105_120000", benchmark="host",
        collection_method="mpi", ended_by="command", hosts=keys, hosts_requested=keys,
        hosts_partial={}, t0_ns=0, start_ns=START_NS, end_ns=end,
        interval_ns=round(interval_s * S), capacity=3600, options={}, warnings={},
        clock_bound_ns=dict.fromkeys(keys, 12_000), facts=facts, marks=marks,
        command=["./job"], command_exit_code=0, command_ns=[START_NS, end], written_ns=end,
    )  # fmt: skip
