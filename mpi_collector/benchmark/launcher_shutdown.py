"""A launcher that waits for a dead host, ended after the files are written.

No launcher notices a host that lost power: it waits for the daemon there, for ever. What it waits on is its own ssh (or
srun) to that host; when that goes, it cleans up and ends with the exit code it has noted. Only if that does not help is
the launcher itself told to end, and its exit code lost.

A launcher on another host cannot be helped so: after MPI_Abort, or the death of the daemon above us, Open MPI and MPICH end
at times, with some exit code, and at times wait on. The user is told instead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mpi_collector.benchmark.environment import REMOTE_DAEMONS, find_launcher_pid

_PATIENCE_S = 3.0  #: for each of the steps
_CARRIERS = ("ssh", "srun", "rsh", "qrsh", "pbsdsh", "blaunch")


def exit_and_end_launcher(code: int, say: Callable[[str], None]) -> None:
    """End this process with ``code``; a child, detached from everything, sees to it that the launcher on this host ends."""
    launcher = find_launcher_pid()
    if launcher is not None and _name(launcher) in REMOTE_DAEMONS:
        say(
            f"the launcher, on another host, may wait for the lost one for ever: Ctrl-C ends it. COMMAND's exit code: {code}"
        )
        os._exit(code)
    if launcher is not None and os.fork() == 0:
        try:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.closerange(0, 4096)  # the launcher waits for our end of its pipes, too
            _end(launcher)
        finally:
            os._exit(0)
    os._exit(code)


def _end(launcher: int) -> None:
    if not _outlives(launcher):
        return
    for pid in carriers(launcher):
        _signal(pid, signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _outlives(launcher):
            return
        _signal(launcher, number)


def _outlives(pid: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if not _alive(pid):
            return False
        time.sleep(0.1)
    return _alive(pid)


def _name(pid: int, proc: Path = Path("/proc")) -> str:
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _alive(pid: int, proc: Path = Path("/proc")) -> bool:
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def carriers(launcher: int, proc: Path = Path("/proc")) -> list[int]:
    """The processes through which ``launcher`` reaches other hosts: its descendants of those names."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            head, _, rest = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue
        children.setdefault(int(rest.split()[1]), []).append(int(entry.name))
        names[int(entry.name)] = head.partition("(")[2]
    found, todo = [], [launcher]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        if names.get(pid) in _CARRIERS:
            found.append(pid)
    return found
