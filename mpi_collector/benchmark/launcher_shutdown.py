"""The end of a launcher that waits for a lost host, after the files are written.

No launcher notices that a host lost power: it waits for its daemon there for ever. It waits for its
own ssh (or srun) to that host; when that process ends, the launcher cleans up and ends with the
exit code that it has noted. Only if this does not help is the launcher itself terminated, and the
exit code lost.

It does not work for a launcher on another host: after MPI_Abort, or the death of the daemon above
this process, Open MPI and MPICH sometimes end, with some exit code, and sometimes wait. The user is
told instead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mpi_collector.benchmark.environment import find_launcher_pid
from mpi_collector.benchmark.processes import PROC, is_running, process_name, read_all
from mpi_collector.launchers import REMOTE_DAEMONS, REMOTE_SHELLS

_STEP_S = 3.0  #: for the launcher to end after each step
_ALONE_S = 10.0  #: for one that waits for no other host: it ends the ranks of this one itself
_MAX_FD = 4096


def exit_and_end_launcher(code: int, say: Callable[[str], None]) -> None:
    """End this process with ``code``; a detached child ends the launcher on this host.

    Does not return. say: receives a message for the user if the launcher is on another host.
    """
    launcher = find_launcher_pid()
    if launcher is not None and process_name(launcher) in REMOTE_DAEMONS:
        say(
            "the launcher runs on another host and may wait for the lost one for ever:"
            f" press Ctrl-C to end it. COMMAND's exit code: {code}"
        )
        os._exit(code)
    if launcher is not None and os.fork() == 0:
        try:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.closerange(0, _MAX_FD)  # the launcher also waits for the other end of its pipes
            _end(launcher)
        finally:
            os._exit(0)
    os._exit(code)


def _end(launcher: int) -> None:
    if not _still_running(launcher):
        return
    shells = remote_shells_of(launcher)
    if not shells and not _still_running(launcher, _ALONE_S):
        return
    for pid in shells:
        _signal(pid, signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _still_running(launcher):
            return
        _signal(launcher, number)


def _still_running(pid: int, within_s: float = _STEP_S) -> bool:
    """Return whether a process still runs after the time it has to end."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not is_running(pid):
            return False
        time.sleep(0.1)
    return is_running(pid)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # it has ended
        pass


def remote_shells_of(launcher: int, proc: Path = PROC) -> list[int]:
    """Return the descendants by which a launcher started its daemons on other hosts."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for process in read_all(proc):
        children.setdefault(process.parent, []).append(process.pid)
        names[process.pid] = process.name
    found = []
    todo = [launcher]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        if names.get(pid) in REMOTE_SHELLS:
            found.append(pid)
    return found
