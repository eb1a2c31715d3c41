"""The families of MPI launchers: the names of their programs, daemons and variables.

This is the one list of such names. It is in the lowest layer, since files (``formats``), transports
and the life cycle of COMMAND all need it. What a launcher is told on its command line is in
``transport/launch/profiles.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LauncherFamily:
    """Launchers that share the names of their programs and of the variables they set.

    programs: what a user calls. daemons: further processes between the launcher and a rank on its
    host.
    remote_daemons: those of them that have no launcher above them on hosts other than the
    launcher's.
    variable_prefixes: of the variables that the launcher sets for its ranks.
    rank_variable, size_variable: tell a rank its number and the number of ranks; "" if not used to
    detect the launcher.
    local_size_variable: tells a rank how many ranks its host has; "" if not known.
    hosts_variable: tells a rank the number of hosts of the launch; "" if not known.
    required_variable: must be set, too, for the two to mean that this launcher started the process.
    libraries: parts of MPI_Get_library_version() of the MPI libraries that understand these
    variables; (): any.
    abi: of these libraries, as MPI4PY_MPIABI names it; "": not one alone.
    """

    name: str
    programs: tuple[str, ...] = ()
    daemons: tuple[str, ...] = ()
    remote_daemons: tuple[str, ...] = ()
    variable_prefixes: tuple[str, ...] = ()
    rank_variable: str = ""
    size_variable: str = ""
    local_size_variable: str = ""
    hosts_variable: str = ""
    required_variable: str = ""
    libraries: tuple[str, ...] = ()
    abi: str = ""


#: names under which MPI installations provide their launcher, in the order in which they are
#: searched for
INSTALLED_PROGRAMS = ("mpirun", "mpiexec", "mpiexec.hydra")

OPEN_MPI = LauncherFamily(
    "Open MPI",
    programs=("mpirun", "mpiexec", "orterun", "prterun", "mpirun.openmpi"),
    daemons=("prte", "prted", "orted"),
    remote_daemons=("prted", "orted"),
    variable_prefixes=("OMPI_", "OPAL_", "PMIX_", "PRTE_"),
    rank_variable="OMPI_COMM_WORLD_RANK",
    size_variable="OMPI_COMM_WORLD_SIZE",
    local_size_variable="OMPI_COMM_WORLD_LOCAL_SIZE",
    libraries=("Open MPI", "Spectrum"),
    abi="openmpi",
)
INTEL_MPI = LauncherFamily(
    "Intel MPI",
    programs=("mpirun", "mpiexec", "mpiexec.hydra"),
    daemons=("hydra_bstrap_proxy", "hydra_pmi_proxy"),
    remote_daemons=("hydra_pmi_proxy",),
    variable_prefixes=("I_MPI_", "PMI_", "HYDRA_", "HYDI_", "MPI_LOCAL"),
    rank_variable="PMI_RANK",
    size_variable="PMI_SIZE",
    local_size_variable="MPI_LOCALNRANKS",
    required_variable="I_MPI_MPIRUN",
    libraries=("Intel", "MPICH"),
    abi="mpich",
)
MPICH = LauncherFamily(
    "MPICH",
    programs=("mpirun", "mpiexec", "mpiexec.hydra", "mpirun.mpich"),
    daemons=("hydra_pmi_proxy",),
    remote_daemons=("hydra_pmi_proxy",),
    variable_prefixes=("PMI_", "HYDRA_", "HYDI_", "MPI_LOCAL"),
    rank_variable="PMI_RANK",
    size_variable="PMI_SIZE",
    local_size_variable="MPI_LOCALNRANKS",
    libraries=("MPICH", "Intel", "MVAPICH", "CRAY"),
    abi="mpich",
)
PALS = LauncherFamily(
    "PALS",
    programs=("mpiexec", "aprun"),
    daemons=("palsd",),
    variable_prefixes=("PALS_",),
    rank_variable="PALS_RANKID",
    size_variable="PALS_SIZE",
)
#: batch scripts have rank and size set, too, although no launcher started them: hence SLURM_STEP_ID
SLURM = LauncherFamily(
    "Slurm",
    programs=("srun",),
    daemons=("slurmstepd",),
    rank_variable="SLURM_PROCID",
    size_variable="SLURM_STEP_NUM_TASKS",
    hosts_variable="SLURM_STEP_NUM_NODES",
    required_variable="SLURM_STEP_ID",
)
JSM = LauncherFamily("JSM", programs=("jsrun",))

#: in the order in which a rank checks for their variables: those of Intel MPI are MPICH's and one
#: more
FAMILIES = (OPEN_MPI, INTEL_MPI, MPICH, PALS, SLURM, JSM)

PROGRAMS = frozenset(name for family in FAMILIES for name in family.programs)
PROCESS_NAMES = PROGRAMS.union(*(family.daemons for family in FAMILIES))
REMOTE_DAEMONS = frozenset(name for family in FAMILIES for name in family.remote_daemons)
VARIABLE_PREFIXES = tuple(
    dict.fromkeys(prefix for family in FAMILIES for prefix in family.variable_prefixes)
)

#: parts of MPI_Get_library_version() of libraries that stand before any MPI's own
ABI_LAYERS = ("MPI ABI", "Mukautuva", "MPItrampoline", "WI4MPI", "Wi4MPI")

#: programs by which launchers start their daemons on other hosts
REMOTE_SHELLS = frozenset(("ssh", "srun", "rsh", "qrsh", "pbsdsh", "blaunch"))
