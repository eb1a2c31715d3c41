"""COMMAND's environment and arguments as the user gave them, without what a launcher changed.

A rank that starts another ``mpirun`` must not pass on the variables of its own launcher. The
launcher's ``/proc/PID/environ`` shows which of them the user had set, and its ``/proc/PID/cmdline``
what the user typed: Open MPI 5 rewrites arguments of the program that it starts, even behind
``--``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpi_collector.benchmark.processes import (
    PROC,
    arguments,
    process_name,
    read_stat,
    start_environment,
)
from mpi_collector.launchers import PROCESS_NAMES, REMOTE_DAEMONS, VARIABLE_PREFIXES

#: tells COMMAND, and what it starts, which run records it
RUN_VARIABLE = "MPI_COLLECTOR_RUN"

_NAME_CHARS = 15  #: the kernel cuts the name of a process (TASK_COMM_LEN)
#: set by launchers, without a prefix of theirs
_CHANGED = ("LD_LIBRARY_PATH", "FI_PROVIDER_PATH")
#: a site's own setting, or made by the wrapper around a wheel's mpirun, in which case another Open
#: MPI fails with it
_OPAL_PREFIX = "OPAL_PREFIX"
#: Open MPI 5's mpirun sets these for itself before it becomes prterun: the user's only if its
#: parent has them, too
_SET_BY_MPIRUN = (
    "OMPI_VERSION",
    "OMPI_TOOL_NAME",
    "OMPI_LIBDIR_LOC",
    "OMPI_MCA_PREFIXES",
    "PMIX_PREFIX",
    "PRTE_PREFIX",
    _OPAL_PREFIX,
)
_WRAPPER_BYTES = 1 << 16
_ALWAYS_KEPT = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
#: how Open MPI 5 rewrites its own options wherever it finds them
_REWRITTEN = {
    "--mapby": "--map-by",
    "--bindto": "--bind-to",
    "--rankby": "--rank-by",
    "--machinefile": "--machinefile",
}


def find_launcher_pid(start: int | None = None, proc: Path = PROC) -> int | None:
    """Return the topmost ancestor on this host that belongs to a launcher, None if none does.

    start: where the search begins; None: the parent process.
    """
    pid = start or os.getppid()
    found = None
    while pid > 1:
        process = read_stat(pid, proc)
        if process is None:
            break
        if _is_launcher(process_name(pid, proc)) or _runs_launcher_script(pid, proc):
            found = pid
        pid = process.parent
    return found


def _is_launcher(name: str) -> bool:
    """Compare a process name, which may be cut, with and without an ending: mpirun.openmpi."""
    known = {process[:_NAME_CHARS] for process in PROCESS_NAMES}
    return name in known or name.partition(".")[0] in known


def _runs_launcher_script(pid: int, proc: Path) -> bool:
    """Return whether a process is the interpreter of a launcher that is a script."""
    return any(_is_launcher(os.path.basename(word)) for word in arguments(pid, proc)[:2])


def has_no_stdin(pid: int | None, proc: Path = PROC) -> bool:
    """Return whether the launcher's stdin is /dev/null, as batch systems and nohup set it.

    Open MPI 5 never tells rank 0 that its input has ended, and a COMMAND that reads it would wait
    for ever. False for a daemon whose launcher is on another host, since its stdin says nothing.
    """
    if pid is None or process_name(pid, proc) in {"", *REMOTE_DAEMONS}:
        return False
    try:
        return os.readlink(proc / str(pid) / "fd" / "0") == os.devnull
    except OSError:
        return False


def original_environment(
    current: Mapping[str, str], launcher_environ: Mapping[str, str] | None
) -> dict[str, str]:
    """Return ``current`` without what a launcher set or changed.

    launcher_environ: the environment that the launcher was started with, None if unknown.
    """
    out = {}
    before = launcher_environ or {}
    for name, value in current.items():
        changed = name in _CHANGED and launcher_environ is not None
        by_launcher = name.startswith(VARIABLE_PREFIXES) or changed
        if not by_launcher or name in _ALWAYS_KEPT:
            out[name] = value
        elif name in before:
            out[name] = before[name]
    return out


def launcher_environment(pid: int | None, proc: Path = PROC) -> dict[str, str] | None:
    """Return the environment in which the user started the launcher, None if it cannot be read."""
    own = start_environment(pid, proc) if pid is not None else None
    if pid is None or own is None or not any(name in own for name in _SET_BY_MPIRUN):
        return own
    process = read_stat(pid, proc)
    if process is None:
        return own
    before = start_environment(process.parent, proc) or {}
    return {
        name: value
        for name, value in own.items()
        if name not in _SET_BY_MPIRUN
        or name in before
        or (name == _OPAL_PREFIX and not _is_wrapped(value))
    }


def _is_wrapped(prefix: str) -> bool:
    """Return whether mpirun below ``prefix`` is a wrapper that sets OPAL_PREFIX."""
    try:
        with open(os.path.join(prefix, "bin", "mpirun"), "rb") as f:
            data = f.read(_WRAPPER_BYTES)
    except OSError:
        return False
    return _OPAL_PREFIX.encode() in data and b"OMPI_VERSION" not in data


def original_command(given: Sequence[str], pid: int | None, proc: Path = PROC) -> list[str]:
    """Return the words of COMMAND as the user typed them.

    given: the words as they arrived. pid: the launcher, whose command line is read; where it does
    not show COMMAND behind ``--``, the rewriting that is known of Open MPI 5 is undone.
    """
    typed = arguments(pid, proc) if pid is not None else []
    separator = len(typed) - len(given) - 1
    if separator >= 0 and typed[separator] == "--":
        return typed[separator + 1 :]
    if given and _is_launcher(os.path.basename(given[0])):
        return [_REWRITTEN.get(word, word) for word in given]
    return list(given)
