"""CPU time by mode, from stat (proc(5), /proc/stat)."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject, positive
from mpi_collector.store.figures.figure import Chart, Column, NoChart
from mpi_collector.store.host import Float64

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
BUSIEST = CPU.figure(
    "cpu_busiest_percent",
    "busiest CPU",
    "%",
    "mean",
    "the same as CPU busy, of the CPU that was busiest in the interval: a program of one thread "
    "keeps one busy",
    chart=NoChart("CPU busy is drawn"),
    optional=True,
    of_devices=False,
)
_NOT_BUSY = {"idle": None, "iowait": IOWAIT, "steal": STEAL}  #: mode -> its own figure


@CPU.computed_by
def derive_cpu(host: Deriver) -> None:
    """Add shares of the time of all CPUs, weighted by it.

    Idle, iowait and steal may decrease (proc(5)): they count with their sign in the total time.
    """
    cpus = [d for d in host.devices("stat", "idle") if re.fullmatch(r"cpu\d+", d)]
    host.derived.cpus = len(cpus) or None
    modes = {m for m in (*_BUSY, *_NOT_BUSY) if f"stat.cpu.{m}" in host.columns}
    if not modes >= _REQUIRED:
        return
    busy, whole = _times(host, "cpu", modes)
    host.add(BUSY, 100 * busy / whole, whole)
    for mode, figure in _NOT_BUSY.items():
        if figure is not None and mode in modes:
            host.add(figure, 100 * host.growth(f"stat.cpu.{mode}") / whole, whole)
    _add_busiest(host, cpus, modes)


def _times(host: Deriver, cpu: str, modes: Collection[str]) -> tuple[Float64, Float64]:
    """Return the busy and the whole time of a CPU, in ticks; NaN where there was none."""
    busy = np.sum([host.growth(f"stat.{cpu}.{m}") for m in _BUSY if m in modes], axis=0)
    idle = np.sum([host.change(f"stat.{cpu}.{m}") for m in _NOT_BUSY if m in modes], axis=0)
    return busy, positive(busy + idle)


def _add_busiest(host: Deriver, cpus: list[str], modes: Collection[str]) -> None:
    """Add the utilisation of the busiest CPU, and which was the busiest over all the time."""
    shares = []
    means = []
    for cpu in cpus:
        if all(f"stat.{cpu}.{m}" in host.columns for m in modes):
            busy, whole = _times(host, cpu, modes)
            known = np.isfinite(busy) & np.isfinite(whole)
            shares.append(100 * busy / whole)
            total = float(whole[known].sum())
            means.append((100 * float(busy[known].sum()) / total if total > 0 else 0.0, cpu))
    if shares:
        host.add(BUSIEST, np.fmax.reduce(shares))
        mean, cpu = max(means, key=lambda m: m[0])
        if mean > 0:
            host.derived.busiest_cpu = (cpu, mean)
