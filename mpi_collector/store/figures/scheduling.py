"""What keeps CPUs busy beside programs: interrupts, context switches, tasks that wait.

From stat, loadavg, schedstat, and interrupts (per CPU).
"""

from __future__ import annotations

import re

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import NO_OUTLIERS, Figure, Group, NoChart

SCHEDULING = Subject(order=145, group=Group.KERNEL, optional=True)
INTERRUPTS = SCHEDULING.figure(
    "interrupts_per_s",
    "interrupts",
    "1/s",
    "sum",
    "interrupts of all CPUs",
    chart=NoChart("those of the busiest CPU are drawn, where they are recorded"),
    outlier_floor=10_000.0,
)
INTERRUPTS_MAX = SCHEDULING.figure(
    "interrupts_busiest_cpu_per_s",
    "interrupts, busiest CPU",
    "1/s",
    "mean",
    "interrupts of the CPU that serviced most of them in the interval",
    outlier_floor=10_000.0,
)
SWITCHES = SCHEDULING.figure(
    "context_switches_per_s",
    "context switches",
    "1/s",
    "sum",
    "context switches of all CPUs",
    chart=NoChart("follows I/O and messages"),
    outlier_floor=10_000.0,
)
FORKS = SCHEDULING.figure(
    "forks_per_s",
    "forks",
    "1/s",
    "sum",
    "processes and threads created",
    chart=NoChart("of interest for scripts alone"),
)
BLOCKED = SCHEDULING.figure(
    "blocked_threads",
    "blocked threads",
    "threads",
    "sum",
    "threads that were blocked on I/O at the end of the interval",
    chart=NoChart("I/O pressure is drawn"),
    outlier_floor=NO_OUTLIERS,
)
RUNNABLE = SCHEDULING.figure(
    "runnable_threads",
    "runnable threads",
    "threads",
    "sum",
    "threads that ran or were ready to run at the end of the interval",
    chart=NoChart("CPU pressure is drawn"),
    outlier_floor=NO_OUTLIERS,
)
WAITING = SCHEDULING.figure(
    "waiting_threads",
    "threads waiting for a CPU",
    "threads",
    "sum",
    "threads that were ready to run and waited for a CPU, mean over the interval (schedstat)",
    outlier_floor=NO_OUTLIERS,
)
LOAD = SCHEDULING.figure(
    "load_1min_threads",
    "load average",
    "threads",
    "sum",
    "load average of one minute: runnable and blocked threads",
    chart=NoChart("lags a minute behind what happens"),
    outlier_floor=NO_OUTLIERS,
)
_RATES = {
    "stat.intr_total": INTERRUPTS,
    "stat.ctxt": SWITCHES,
    "stat.processes": FORKS,
}
_LEVELS: dict[str, tuple[Figure, float]] = {
    "stat.procs_blocked": (BLOCKED, 1.0),
    "stat.procs_running": (RUNNABLE, 1.0),
    "loadavg.load_1min": (LOAD, 0.01),  # recorded in hundredths
}


@SCHEDULING.computed_by
def derive_scheduling(host: Deriver) -> None:
    """Add what was recorded of the scheduler and of interrupts."""
    for name, figure in _RATES.items():
        if name in host.columns:
            host.add_rate(figure, host.growth(name))
    for name, (figure, factor) in _LEVELS.items():
        if name in host.columns:
            host.add(figure, host.level(name) * factor)
    if "schedstat.waiting_ns" in host.columns:
        host.add_rate(WAITING, host.growth("schedstat.waiting_ns") * 1e-9)
    cpus = [d for d in host.devices("interrupts", "serviced") if re.fullmatch(r"cpu\d+", d)]
    serviced = list(host.growths("interrupts", cpus, "serviced"))
    if serviced:
        host.add_rate(INTERRUPTS_MAX, np.fmax.reduce(serviced))
