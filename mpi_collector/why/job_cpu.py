"""Whose CPU time it is: that of the job against all of the host's.

Where others fill the CPUs, the job is held back only if it wants one. The scheduler gives each
thread that wants a CPU about the same part of them (sched-design-CFS.rst), so that a job which uses
much less than the part of one thread does not wait for a CPU. What the kernel does in its own
threads and in interrupts may be the job's work, and counts as nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpi_collector.formats.why_document import Evidence
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.why.job_bytes import COMMAND, USER, JobCalls
from mpi_collector.why.stretch import Stretch

OWN = 0.5  #: of the CPU time in use; a job with less shares the CPUs with others
#: of what one thread that wants a CPU all the time would get; a job with less does not want one
WANTS = 0.5
_SCHEDULED = "/job_"  #: in the path of the cgroup of Slurm's jobs
_UNSURE = 0.1  #: of the CPU time in use that may be the job's or not, since it is read now and then
_OF_PROGRAMS = ("user", "nice")
_USED = (*_OF_PROGRAMS, "system", "irq", "softirq")


@dataclass(frozen=True)
class JobCpu:
    """CPUs that the job used, mean: at least and at most. ``name``: of the job in a sentence.

    ``used``: CPUs that were in use by anybody; ``programs``: outside of the kernel.
    """

    name: str
    column: str
    least: float
    most: float
    used: float
    programs: float

    @property
    def is_own(self) -> bool:
        """Whether most of the CPU time in use is the job's."""
        return self.least >= OWN * self.used

    @property
    def is_of_others(self) -> bool:
        """Whether most of the CPU time in use is that of programs which are not the job."""
        return self.programs - self.most >= OWN * self.used


def job_cpu(stretch: Stretch) -> JobCpu | None:
    """Return what the job used; None where it is not known.

    Known is it by the source ``job``, else by the cgroup of the job. A scheduler's tasks need not
    be children of COMMAND: of them the cgroup is known.
    """
    shares, programs = stretch.cpu_share(*_USED), stretch.cpu_share(*_OF_PROGRAMS)
    if shares is None or programs is None or not len(stretch):
        return None
    used, own = stretch.mean(shares) * stretch.cpus, stretch.mean(programs) * stretch.cpus
    if not used > 0:
        return None
    scheduled = _SCHEDULED in str(stretch.limits.get("path"))
    first, second = (_of_cgroup, _of_processes) if scheduled else (_of_processes, _of_cgroup)
    return first(stretch, used, own) or second(stretch, used, own)


def wants_cpu(stretch: Stretch, job: JobCpu) -> bool:
    """Return whether the job used as much as a thread that wants a CPU gets; True if unknown."""
    runnable = stretch.runnable
    if runnable is None:
        return True
    threads = max(stretch.mean(runnable), float(stretch.cpus), 1.0)
    return not job.most < WANTS * stretch.cpus / threads


def whose(stretch: Stretch, job: JobCpu) -> Evidence:
    """Return evidence that says whose CPU time it was."""
    percent = 100 * min((job.most if job.is_of_others else job.least) / job.used, 1.0)
    text = f"{job.name} used {percent:.0f} % of the CPU time in use"
    if job.is_of_others:
        text += f", other programs {100 * (job.programs - job.most) / job.used:.0f} %"
    return stretch.evidence(text, job.column, percent, "%")


def not_known_whose(stretch: Stretch, job: JobCpu | None) -> list[Evidence]:
    """Return evidence against a claim about CPUs where it is not known whose time it was."""
    if job is not None and (job.is_own or job.is_of_others):
        return []
    value = np.nan_to_num(stretch.mean(stretch.cpu_busy)) if stretch.cpu_busy is not None else 0.0
    text = "whose CPU time it was is not known: that of the job was not recorded"
    return [stretch.evidence(text, BUSY.name, 100 * float(value), "%")]


def _of_processes(stretch: Stretch, used: float, programs: float) -> JobCpu | None:
    seconds = float(stretch.seconds.sum())
    names = ((COMMAND, "COMMAND and what it started"), (USER, "what the user started"))
    for device, name in names:
        calls = JobCalls(stretch, device)
        if not calls.known_from_begin() or not calls.has("user_ms") or not calls.most("processes"):
            continue
        least, most = (
            sum(calls.grown(f, outwards) for f in ("user_ms", "system_ms")) / 1e3 / seconds
            for outwards in (False, True)
        )
        if stretch.is_command and device == COMMAND:  # outside of COMMAND there is nothing of it
            least = most
        if calls.most("left_out"):
            most = used
        if most - least <= _UNSURE * used or least >= OWN * used:
            return JobCpu(name, f"{device}.user_ms", least, most, used, programs)
    return None


def _of_cgroup(stretch: Stretch, used: float, programs: float) -> JobCpu | None:
    """Return what the cgroup of the job used: the most that the job did.

    In the root cgroup is everybody; which one it is of version 1 is not recorded.
    """
    limits = stretch.limits
    is_jobs = limits.get("version") == 2 and limits.get("path") not in (None, "/")
    for column, per_second in (("usage_us", 1e6), ("usage_ns", 1e9)):
        rate = stretch.rate(f"cgroup.cpu.{column}")
        if rate is not None:
            cpus = stretch.mean(rate) / per_second
            least = cpus if is_jobs else 0.0
            name = "the job's cgroup"
            return JobCpu(name, f"cgroup.cpu.{column}", least, cpus, used, programs)
    return None
