"""``one core``: one CPU is in use without a pause while the others are mostly idle.

A job whose work goes through one thread cannot be faster than that thread; the mean over all CPUs
hides it. A thread of another program that keeps one of many CPUs in use holds nobody back.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.why.claims import claim_of
from mpi_collector.why.job_cpu import JobCpu, job_cpu, not_known_whose
from mpi_collector.why.stretch import Stretch

FULL = 0.87
MOST_OTHERS = 0.5  #: mean busy share of the other CPUs
CERTAIN = 0.95
CERTAIN_OTHERS = 0.3
LEAST_OWN = 0.5  #: CPUs that the job used; with less its own thread does not keep one in use


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where CPU time per CPU is not known or does not support it."""
    busiest, busy = stretch.busiest_cpu, stretch.cpu_busy
    if busiest is None or busy is None or stretch.cpus < 2:
        return None
    job = job_cpu(stretch)
    if is_of_others(job):
        return None
    others = (busy * stretch.cpus - busiest) / (stretch.cpus - 1)
    mean = stretch.mean(busiest)
    certain = mean >= CERTAIN and stretch.mean(np.maximum(others, 0)) < CERTAIN_OTHERS
    certain &= job is not None and job.least >= LEAST_OWN
    return claim_of(
        stretch,
        "one core",
        (busiest >= FULL) & (others <= MOST_OTHERS),
        "certain" if certain else "likely",
        [
            stretch.evidence(f"one CPU {100 * mean:.0f} % busy", "stat.cpu.idle", 100 * mean,
                             "%"),
            stretch.evidence(
                f"the other {_cpus(stretch.cpus - 1)} {100 * stretch.mean(others):.0f} % busy",
                BUSY.name, 100 * stretch.mean(busy), "%"),
        ],
        against=not_known_whose(stretch, job),
    )  # fmt: skip


def is_of_others(job: JobCpu | None) -> bool:
    """Return whether it is known that a CPU in use is not the job's."""
    return job is not None and job.is_of_others and job.most < LEAST_OWN


def _cpus(n: int) -> str:
    return "CPU" if n == 1 else f"{n} CPUs"
