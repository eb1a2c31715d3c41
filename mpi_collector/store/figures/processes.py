"""The job's processes: CPU, memory, threads, bytes asked and moved, from processes (/proc/PID)."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.figure import NO_OUTLIERS, Column, Figure, Group, NoChart
from mpi_collector.store.host import Float64

_NO_COMMAND = "left_out"  #: device that counts processes for which there was no room

PROCESSES = Subject(order=120, group=Group.JOB, optional=True)
CPU = PROCESSES.figure(
    "processes_cpu_cores",
    "processes' CPU",
    "cores",
    "sum",
    "CPU time of the recorded processes per second, user and system",
    columns=(Column("processes/CPU"),),
)
ASKED_READ = PROCESSES.figure(
    "processes_asked_read_bytes_per_s",
    "read calls",
    "bytes/s",
    "sum",
    "bytes that read calls of the recorded processes returned, from the page cache too; pipes and "
    "sockets included, mmap, libaio and io_uring not",
    columns=(Column("read/calls"),),
)
ASKED_WRITE = PROCESSES.figure(
    "processes_asked_write_bytes_per_s",
    "write calls",
    "bytes/s",
    "sum",
    "bytes that the recorded processes passed to write calls; pipes and sockets included",
    columns=(Column("write/calls"),),
)
MOVED_READ = PROCESSES.figure(
    "processes_moved_read_bytes_per_s",
    "processes' reads from storage",
    "bytes/s",
    "sum",
    "bytes that were fetched from storage for the recorded processes",
)
MOVED_WRITE = PROCESSES.figure(
    "processes_moved_write_bytes_per_s",
    "processes' writes to storage",
    "bytes/s",
    "sum",
    "bytes of pages that the recorded processes made dirty, and their direct writes",
)
READ_CALLS = PROCESSES.figure(
    "processes_read_calls_per_s",
    "read calls/s",
    "1/s",
    "sum",
    "read calls of the recorded processes",
    chart=NoChart("their bytes are drawn"),
)
WRITE_CALLS = PROCESSES.figure(
    "processes_write_calls_per_s",
    "write calls/s",
    "1/s",
    "sum",
    "write calls of the recorded processes",
    chart=NoChart("their bytes are drawn"),
)
MAJOR_FAULTS = PROCESSES.figure(
    "processes_major_faults_per_s",
    "processes' major faults",
    "1/s",
    "sum",
    "page faults of the recorded processes that needed I/O",
    chart=NoChart("those of the host are drawn"),
    hidden_when_zero=True,
)
THREADS = PROCESSES.figure(
    "processes_threads",
    "threads",
    "threads",
    "sum",
    "threads of the recorded processes",
    chart=NoChart("changes at phases alone"),
    outlier_floor=NO_OUTLIERS,
)
MEMORY = PROCESSES.figure(
    "processes_rss_bytes",
    "processes' memory",
    "bytes",
    "sum",
    "resident memory of the recorded processes, shared pages counted for each",
    columns=(Column("processes/memory", "peak"),),
)
_RATES = (
    (ASKED_READ, "read_call_bytes"),
    (ASKED_WRITE, "write_call_bytes"),
    (MOVED_READ, "read_bytes"),
    (MOVED_WRITE, "write_bytes"),
    (READ_CALLS, "read_calls"),
    (WRITE_CALLS, "write_calls"),
    (MAJOR_FAULTS, "major_faults"),
)


@PROCESSES.computed_by
def derive_processes(host: Deriver) -> None:
    """Add the figures of all commands together."""
    commands = [d for d in host.devices("processes", "user_ms") if d != _NO_COMMAND]
    if not commands:
        return
    user = host.total("processes", commands, "user_ms")
    system = host.total("processes", commands, "system_ms")
    if user is not None and system is not None:
        host.add_rate(CPU, (user + system) / 1000)
    for figure, column in _RATES:
        host.add_rate(figure, host.total("processes", commands, column))
    _add_level(host, THREADS, commands, "threads")
    _add_level(host, MEMORY, commands, "rss_bytes")


def _add_level(host: Deriver, figure: Figure, commands: list[str], column: str) -> None:
    names = [f"processes.{command}.{column}" for command in commands]
    levels: list[Float64] = [host.level(name) for name in names if name in host.columns]
    total = known_sum(levels)
    host.add(figure, None if total is None else np.asarray(total))
