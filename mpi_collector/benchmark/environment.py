"""COMMAND's environment and arguments as the user gave them, not as a launcher left them.

A rank that starts another ``mpirun`` must not hand on the variables of its own launcher. Which of them the user had set is
written in the launcher's own ``/proc/PID/environ``, as is what the user typed in its ``cmdline``: Open MPI 5 rewrites
arguments of the program it starts, even behind ``--``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

RUN_VARIABLE = (
    "MPI_COLLECTOR_RUN"  #: tells COMMAND, and what it starts, by which run it is recorded
)

_LAUNCHERS = ("mpirun", "mpiexec", "prterun", "prted", "prte", "orterun", "orted", "hydra_pmi_proxy", "mpiexec.hydra",
              "hydra_bstrap_proxy", "slurmstepd", "srun", "palsd", "aprun")  # fmt: skip
REMOTE_DAEMONS = (
    "prted",
    "orted",
    "hydra_pmi_proxy",
)  #: the topmost part of a launcher here: its head is on another host
_PREFIXES = (
    "OMPI_",
    "OPAL_",
    "PMIX_",
    "PRTE_",
    "PMI_",
    "HYDRA_",
    "HYDI_",
    "MPI_LOCAL",
    "I_MPI_",
    "PALS_",
)
_RESTORED = ("LD_LIBRARY_PATH", "FI_PROVIDER_PATH")
_PREFIX = "OPAL_PREFIX"  #: a site's own setting, or made by the wrapper around a wheel's mpirun: another Open MPI fails by it
#: Open MPI 5's mpirun gives these to itself before it becomes prterun: the user's only if its parent has them, too
_WRAPPERS = (
    "OMPI_VERSION",
    "OMPI_TOOL_NAME",
    "OMPI_LIBDIR_LOC",
    "OMPI_MCA_PREFIXES",
    "PMIX_PREFIX",
    "PRTE_PREFIX",
    _PREFIX,
)
_WRAPPER_BYTES = 1 << 16
_ALWAYS_KEPT = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
#: what Open MPI 5 makes of its own options wherever it meets them
_REWRITTEN = {
    "--mapby": "--map-by",
    "--bindto": "--bind-to",
    "--rankby": "--rank-by",
    "--machinefile": "--machinefile",
}


def find_launcher_pid(start: int | None = None, proc: Path = Path("/proc")) -> int | None:
    """The topmost process above us, on this host, that is part of a launcher; None when there is none we may read."""
    pid, found = start or os.getppid(), None
    while pid > 1:
        try:
            name = (proc / str(pid) / "comm").read_text().strip()
            stat = (proc / str(pid) / "stat").read_text()
        except OSError:
            break
        if _is_launcher(name) or _runs_launcher(proc / str(pid)):
            found = pid
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


def _is_launcher(name: str) -> bool:
    """By its name, which the kernel cuts; Debian's have an ending, as in mpirun.openmpi."""
    return any(
        word == known[:15] for known in _LAUNCHERS for word in (name, name.partition(".")[0])
    )


def _runs_launcher(proc_pid: Path) -> bool:
    """Some launchers are scripts or wrappers: their name is the interpreter's, their first arguments are not."""
    try:
        words = (proc_pid / "cmdline").read_bytes().split(b"\0")[:2]
    except OSError:
        return False
    return any(_is_launcher(os.path.basename(w.decode("utf-8", "replace"))) for w in words)


def has_no_stdin(pid: int | None, proc: Path = Path("/proc")) -> bool:
    """Was the launcher started with stdin from /dev/null, as batch systems and nohup do it?

    Open MPI 5 never tells rank 0 that its input has ended, and a COMMAND that reads it would wait for ever. Of a daemon on
    another host nothing can be said.
    """
    try:
        place = proc / str(pid)
        far = (place / "comm").read_text().strip() in REMOTE_DAEMONS
        return not far and os.readlink(place / "fd" / "0") == os.devnull
    except OSError:
        return False


def original_environment(
    current: Mapping[str, str], launcher_environ: Mapping[str, str] | None
) -> dict[str, str]:
    """``current`` without what a launcher put there. ``launcher_environ``: the launcher's own, None if unknown."""
    out = {}
    theirs = launcher_environ or {}
    for name, value in current.items():
        ours = name.startswith(_PREFIXES) or (name in _RESTORED and launcher_environ is not None)
        if not ours or name in _ALWAYS_KEPT:
            out[name] = value
        elif name in theirs:
            out[name] = theirs[name]
    return out


def launcher_environment(pid: int | None, proc: Path = Path("/proc")) -> dict[str, str] | None:
    """The environment a launcher was started with, as the user had it; None when it cannot be read."""
    own = _environ(pid, proc) if pid is not None else None
    if own is None or not any(name in own for name in _WRAPPERS):
        return own
    try:
        parent = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return own
    before = _environ(parent, proc) or {}
    return {
        k: v
        for k, v in own.items()
        if k not in _WRAPPERS or k in before or (k == _PREFIX and not _is_wrapped(v))
    }


def _is_wrapped(prefix: str) -> bool:
    """Is the mpirun installed there not Open MPI's own, but a small program that sets the prefix whenever it is called?"""
    try:
        with open(os.path.join(prefix, "bin", "mpirun"), "rb") as f:
            data = f.read(_WRAPPER_BYTES)
    except OSError:
        return False
    return _PREFIX.encode() in data and b"OMPI_VERSION" not in data


def _environ(pid: int, proc: Path) -> dict[str, str] | None:
    try:
        data = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {os.fsdecode(k): os.fsdecode(v) for k, _, v in pairs}


def original_command(
    given: Sequence[str], pid: int | None, proc: Path = Path("/proc")
) -> list[str]:
    """``given`` as the user typed it: from the launcher's command line if that shows it, else known rewrites undone."""
    if pid is not None:
        try:
            words = [
                os.fsdecode(w) for w in (proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
            ]
        except OSError:
            words = []
        if "--" in words:
            typed = words[_last_separator(words, len(given)) + 1 :]
            if len(typed) == len(given):
                return typed
    if given and _is_launcher(os.path.basename(given[0])):
        return [_REWRITTEN.get(word, word) for word in given]
    return list(given)


def _last_separator(words: Sequence[str], count: int) -> int:
    """Where the ``--`` before the last ``count`` words should be; -1 shifted out of range when it is not there."""
    at = len(words) - count - 1
    return at if 0 <= at < len(words) and words[at] == "--" else len(words)
