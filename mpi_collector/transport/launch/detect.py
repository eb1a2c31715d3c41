"""The launcher that started this process, known from the variables it sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mpi_collector.launchers import ABI_LAYERS, FAMILIES, LauncherFamily
from mpi_collector.transport.launch.mpi_library import abi_remedy

_REMEDY = (
    "Start with that library's own mpirun, or use a Python whose mpi4py belongs to the launcher."
)


@dataclass(frozen=True)
class Launch:
    """What the launcher tells this process.

    libraries: parts of the version text of the MPI libraries that work with this launcher; (): any
    library. abi: of these libraries, as mpi4py names it; "" if not known. one_host: all ranks are
    known to be on this host.
    """

    launcher: str
    rank: int
    size: int
    libraries: tuple[str, ...] = ()
    abi: str = ""
    one_host: bool = False


def detect(environ: Mapping[str, str] = os.environ) -> Launch | None:
    """Return the launch of which this process is a rank, None if no launcher started it."""
    for family in FAMILIES:
        rank = environ.get(family.rank_variable, "")
        size = environ.get(family.size_variable, "")
        required = family.required_variable
        if rank.isdigit() and size.isdigit() and (not required or environ.get(required)):
            one_host = size == "1" or _is_alone(family, size, environ)
            return Launch(family.name, int(rank), int(size), family.libraries, family.abi, one_host)
    return None


def _is_alone(family: LauncherFamily, size: str, environ: Mapping[str, str]) -> bool:
    """Return whether a launch is known to have one host."""
    said = {
        name: environ.get(name)
        for name in (family.local_size_variable, family.hosts_variable)
        if name
    }
    return said.get(family.local_size_variable) == size or said.get(family.hosts_variable) == "1"


def may_print(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True in the one process of a launch that may write to the terminal."""
    launch = detect(environ)
    return launch is None or launch.rank == 0


def library_mismatch(launch: Launch, library: str) -> str | None:
    """Return why the MPI library cannot work with the launcher, None if it can.

    Asked before MPI is initialised, since the initialisation would abort the process.
    """
    known = (*launch.libraries, *ABI_LAYERS)
    if not launch.libraries or any(name in library for name in known):
        return None
    return (
        f"{launch.launcher}'s launcher started this, but mpi4py uses {library}. {_remedy(launch)}"
    )


def world_mismatch(launch: Launch, size: int, library: str) -> str | None:
    """Return why ``size``, of the world that MPI sees, is not the launcher's, None if it is.

    A library that does not understand the launcher makes each rank a world of its own.
    """
    if size == launch.size:
        return None
    return (
        f"{launch.launcher} started {launch.size} ranks,"
        f" but mpi4py ({library}) sees {size}. {_remedy(launch)}"
    )


def _remedy(launch: Launch) -> str:
    """Return what to do about a library that does not belong to the launcher."""
    other_abi = abi_remedy(launch.abi)
    return f"{_REMEDY} {other_abi}." if other_abi else _REMEDY
