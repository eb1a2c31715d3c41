"""CPU time by mode, from stat (proc(5), /proc/stat)."""

from __future__ import annotations

import re

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject, positive
from mpi_collector.store.figures.figure import Chart, Column

_BUSY = ("user", "nice", "system", "irq", "softirq")
_REQUIRED = frozenset(("user", "nice", "system", "idle"))

CPU = Subject(order=30)
BUSY = CPU.figure(
    "cpu_busy_percent",
    "CPU busy",
    "%",
    "mean",
    "user, nice, system, irq, softirq; guests are in user",
    chart=Chart(heat=True),
    columns=(Column("CPU/busy"), Column("peak", "peak")),
    limit=90.0,
)
IOWAIT = CPU.figure(
    "cpu_iowait_percent",
    "iowait",
    "%",
    "mean",
    "CPUs idle with I/O outstanding; not reliable, as the kernel documents",
    chart=Chart(heat=True),
    columns=(Column("iowait"),),
    limit=30.0,
)
STEAL = CPU.figure(
    "cpu_steal_percent",
    "steal",
    "%",
    "mean",
    "CPU time taken by the hypervisor",
    chart=Chart(order=97),
    hidden_when_zero=True,
)
_NOT_BUSY = {"idle": None, "iowait": IOWAIT, "steal": STEAL}  #: mode -> its own figure


@CPU.computed_by
def derive_cpu(host: Deriver) -> None:
    """Add shares of the time of all CPUs, weighted by it.

    Idle, iowait and steal may decrease (proc(5)): they count with their sign in the total time.
    """
    cpus = sum(bool(re.fullmatch(r"cpu\d+", d)) for d in host.devices("stat", "idle"))
    host.derived.cpus = cpus or None
    modes = {m for m in (*_BUSY, *_NOT_BUSY) if f"stat.cpu.{m}" in host.columns}
    if not modes >= _REQUIRED:
        return
    busy = np.sum([host.growth(f"stat.cpu.{m}") for m in _BUSY if m in modes], axis=0)
    not_busy = {m: host.change(f"stat.cpu.{m}") for m in _NOT_BUSY if m in modes}
    whole = positive(busy + np.sum(list(not_busy.values()), axis=0))
    host.add(BUSY, 100 * busy / whole, whole)
    for mode, figure in _NOT_BUSY.items():
        if figure is not None and mode in modes:
            host.add(figure, 100 * host.growth(f"stat.cpu.{mode}") / whole, whole)
