"""Processes of this host as /proc shows them (proc(5)): names, parents, arguments and environments.

A process may end at any time, or belong to another user: then a function returns what it says for
"not known".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpi_collector.node.pid_stat import parse_pid_stat

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStat:
    """The first fields of /proc/PID/stat. ``name`` is cut to 15 characters by the kernel."""

    pid: int
    name: str
    state: str
    parent: int


def read_stat(pid: int, proc: Path = PROC) -> ProcessStat | None:
    """Return the process, None if it cannot be read. A name may hold blanks and parentheses."""
    try:
        stat = parse_pid_stat((proc / str(pid) / "stat").read_bytes())
    except (OSError, ValueError):
        return None
    return ProcessStat(pid, stat.comm.decode("utf-8", "replace"), stat.state, stat.ppid)


def read_all(proc: Path = PROC) -> Iterator[ProcessStat]:
    """Yield every process of this host."""
    for entry in proc.iterdir():
        if entry.name.isdigit() and (process := read_stat(int(entry.name), proc)):
            yield process


def process_name(pid: int, proc: Path = PROC) -> str:
    """Return the name of a process, "" if it cannot be read."""
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def is_running(pid: int, proc: Path = PROC) -> bool:
    """Return whether the process exists and is not a zombie."""
    process = read_stat(pid, proc)
    return process is not None and process.state != "Z"


def arguments(pid: int, proc: Path = PROC) -> list[str]:
    """Return the command line of a process, [] if it cannot be read."""
    try:
        data = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    words = data.split(b"\0")
    return [os.fsdecode(word) for word in (words if words[-1] else words[:-1])]


def start_environment(pid: int, proc: Path = PROC) -> dict[str, str] | None:
    """Return the environment a process was started with, None if it cannot be read."""
    try:
        data = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {os.fsdecode(k): os.fsdecode(v) for k, _, v in pairs}
