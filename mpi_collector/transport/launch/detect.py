"""Which launcher started this process, from the variables it sets; one table instead of a chain of ifs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LauncherVariables:
    """The environment variables by which ranks of a launcher know themselves."""

    name: str
    rank: str
    size: str
    also: str = (
        ""  #: must be set too: Slurm sets rank and size in batch scripts that no launcher started
    )
    libraries: tuple[
        str, ...
    ] = ()  #: how the MPI libraries that understand this launcher call themselves


LAUNCHER_VARIABLES = (
    LauncherVariables(
        "Open MPI",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        libraries=("Open MPI", "Spectrum"),
    ),
    LauncherVariables("Intel MPI", "PMI_RANK", "PMI_SIZE", "I_MPI_MPIRUN", ("Intel", "MPICH")),
    LauncherVariables(
        "MPICH", "PMI_RANK", "PMI_SIZE", libraries=("MPICH", "Intel", "MVAPICH", "CRAY")
    ),
    LauncherVariables("PALS", "PALS_RANKID", "PALS_SIZE"),
    LauncherVariables("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID"),
)


@dataclass(frozen=True)
class Launch:
    """A launcher's word on this process."""

    launcher: str
    rank: int
    size: int
    libraries: tuple[str, ...] = ()


def detect(environ: Mapping[str, str] = os.environ) -> Launch | None:
    """The launch this process is a rank of; None when no launcher started it."""
    for marks in LAUNCHER_VARIABLES:
        rank, size = environ.get(marks.rank, ""), environ.get(marks.size, "")
        if rank.isdigit() and size.isdigit() and (not marks.also or environ.get(marks.also)):
            return Launch(marks.name, int(rank), int(size), marks.libraries)
    return None


def speaks(environ: Mapping[str, str] = os.environ) -> bool:
    """True for the one process of a launch that may write to the terminal."""
    launch = detect(environ)
    return launch is None or launch.rank == 0


def library_mismatch(launch: Launch, library: str) -> str | None:
    """One line when the MPI library cannot work with the launcher. Known before MPI is initialised, which would abort."""
    if not launch.libraries or any(name in library for name in launch.libraries):
        return None
    return f"{launch.launcher}'s launcher started this, but mpi4py uses {library}. {_REMEDY}"


def world_mismatch(launch: Launch, size: int, library: str) -> str | None:
    """One line when the MPI library does not see the world that the launcher made: N silent singletons."""
    if size == launch.size:
        return None
    return f"{launch.launcher} started {launch.size} ranks, but mpi4py ({library}) sees {size}. {_REMEDY}"


_REMEDY = (
    "Start with that library's own mpirun, or use a Python whose mpi4py belongs to the launcher."
)
