"""The job's cgroup: CPU and its limit, memory and its limits, I/O, pressure, from cgroup.

Documentation/admin-guide/cgroup-v2.rst; of version 1 what it has.
"""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.figure import NO_OUTLIERS, Chart, Column, Figure, Group, NoChart
from mpi_collector.store.host import Float64

_OF_HOST = NoChart("that of the host is drawn")

CGROUP = Subject(order=125, group=Group.JOB, optional=True)
CPU = CGROUP.figure(
    "cgroup_cpu_cores",
    "cgroup's CPU",
    "cores",
    "sum",
    "CPU time of the job's cgroup per second, user and system",
    columns=(Column("cgroup/CPU"),),
)
THROTTLED = CGROUP.figure(
    "cgroup_throttled_percent",
    "CPU limit: periods throttled",
    "%",
    "mean",
    "enforcement periods in which the CPU limit of the job's cgroup throttled it; without a limit "
    "there are none",
    chart=Chart(heat=True),
    columns=(Column("throttled"),),
    undefined_when_idle=True,
    hidden_when_zero=True,
)
THROTTLED_TIME = CGROUP.figure(
    "cgroup_throttled_cores",
    "CPU limit: time throttled",
    "cores",
    "sum",
    "time per second for which the CPU limit kept the CPUs of the job's cgroup from running",
    chart=NoChart("the share of periods is drawn"),
    hidden_when_zero=True,
)
MEMORY = CGROUP.figure(
    "cgroup_memory_bytes",
    "cgroup's memory",
    "bytes",
    "sum",
    "memory that counts against the limit of the job's cgroup, page cache included",
    columns=(Column("cgroup/memory", "peak"),),
)
MEMORY_EVENTS = CGROUP.figure(
    "cgroup_memory_events_per_s",
    "memory limit reached",
    "1/s",
    "sum",
    "times that usage went over memory.high, or was about to go over memory.max",
    hidden_when_zero=True,
    outlier_floor=1.0,
)
OOM_KILLS = CGROUP.figure(
    "cgroup_oom_kills_per_s",
    "OOM kills",
    "1/s",
    "sum",
    "processes of the job's cgroup that the OOM killer ended",
    chart=NoChart("one is the end of a job"),
    hidden_when_zero=True,
    outlier_floor=NO_OUTLIERS,
)
READ_BYTES = CGROUP.figure(
    "cgroup_read_bytes_per_s",
    "cgroup's reads",
    "bytes/s",
    "sum",
    "read from the counted block devices by the job's cgroup",
    chart=_OF_HOST,
)
WRITE_BYTES = CGROUP.figure(
    "cgroup_write_bytes_per_s",
    "cgroup's writes",
    "bytes/s",
    "sum",
    "written to the counted block devices by the job's cgroup, write-back of its pages included",
    chart=_OF_HOST,
)


def _pressure(resource: str, label: str) -> Figure:
    return CGROUP.figure(
        f"cgroup_pressure_{resource}_percent",
        f"cgroup: {label} pressure",
        "%",
        "mean",
        f"time in which at least one task of the job's cgroup waited for {label} (PSI some)",
        chart=_OF_HOST,
    )


_PRESSURE = {
    "cpu": _pressure("cpu", "CPU"),
    "io": _pressure("io", "I/O"),
    "memory": _pressure("memory", "memory"),
}
_LIMIT_EVENTS = ("memory.events_high", "memory.events_max", "memory.memory_limit_hits")


@CGROUP.computed_by
def derive_cgroup(host: Deriver) -> None:
    """Add the figures of the cgroup that was recorded, of either version."""
    host.add_rate(CPU, _seconds(host, "cpu.usage_us", "cpu.usage_ns"))
    host.add_rate(THROTTLED_TIME, _seconds(host, "cpu.throttled_us", "cpu.throttled_time"))
    periods = _growth(host, "cpu.nr_periods")
    throttled = _growth(host, "cpu.nr_throttled")
    if periods is not None and throttled is not None:
        host.add_percent(THROTTLED, throttled, periods)
    if "cgroup.memory.memory_bytes" in host.columns:
        host.add(MEMORY, host.level("cgroup.memory.memory_bytes"))
    events = [_growth(host, name) for name in _LIMIT_EVENTS]
    host.add_rate(MEMORY_EVENTS, known_sum([e for e in events if e is not None]))
    host.add_rate(OOM_KILLS, _growth(host, "memory.events_oom_kill"))
    for figure, column in ((READ_BYTES, "read_bytes"), (WRITE_BYTES, "written_bytes")):
        host.add_rate(figure, host.total("cgroup", _drives(host, column), column))
    for resource, figure in _PRESSURE.items():
        waited_us = _growth(host, f"pressure.{resource}_some_us")
        host.add(figure, None if waited_us is None else waited_us / (host.seconds * 1e4))


def _growth(host: Deriver, name: str) -> Float64 | None:
    name = f"cgroup.{name}"
    return host.growth(name) if name in host.columns else None


def _seconds(host: Deriver, microseconds: str, nanoseconds: str) -> Float64 | None:
    """Return the growth of a time in seconds: version 2 has it in us, version 1 in ns."""
    growth = _growth(host, microseconds)
    if growth is not None:
        return growth * 1e-6
    growth = _growth(host, nanoseconds)
    return None if growth is None else growth * 1e-9


def _drives(host: Deriver, column: str) -> list[str]:
    """Return the devices of io.stat, MAJOR:MINOR, that totals count; all when it is not known.

    A device and those that it is built on have the same bytes.
    """
    listed = [d for d in host.devices("cgroup", column) if ":" in d]
    topology = host.host.meta.get("topology")
    block = topology.get("block") if isinstance(topology, dict) else None
    numbers = {
        about.get("number")
        for name, about in (block.items() if isinstance(block, dict) else ())
        if isinstance(about, dict) and name.replace("!", "/") in host.derived.block.devices
    } - {None}
    return [d for d in listed if d in numbers] if numbers else listed
