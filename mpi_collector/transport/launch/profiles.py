"""The launchers and the MPI libraries: what is known of each is a row, not a chain of ifs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mpi_collector.errors import LauncherError
from mpi_collector.transport.hosts import HostSpec, checked


# ---- the libraries that ranks are linked to
@dataclass(frozen=True)
class Library:
    """An MPI library. ``off_fabric`` keeps its ranks on TCP, away from the network that the job uses."""

    version: str  #: pattern in MPI_Get_library_version, or in what its own launcher says
    off_fabric: Mapping[str, str] = field(default_factory=dict)
    pmi: str = ""  #: the srun plugin that wires its ranks up; "": whatever the site has as default


ANY = Library("")
_OMPI = Library(r"Open MPI|OpenRTE", {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self"}, "pmix")
_INTEL = Library(
    r"Intel\(R\) MPI", {"I_MPI_FABRICS": "shm:ofi", "I_MPI_OFI_PROVIDER": "tcp"}, "pmi2"
)
_CRAY = Library(r"CRAY MPICH")
_TCP = {"FI_PROVIDER": "tcp", "UCX_TLS": "tcp,self,sm"}
# UCX may abort in Init where the launch node has several networks; a build that has libfabric too need not use it
_MPICH_OFI = Library(
    r"(?:MPICH|HYDRA)[\s\S]*ch4:(?:\w+,)*ofi", {**_TCP, "MPIR_CVAR_CH4_NETMOD": "ofi"}, "pmi2"
)
_MPICH = Library(r"MPICH|HYDRA|MVAPICH", _TCP, "pmi2")
LIBRARIES = (_CRAY, _INTEL, _OMPI, _MPICH_OFI, _MPICH, ANY)


def library_of(text: str) -> Library:
    """The row of the library that describes itself by ``text``."""
    return next(library for library in LIBRARIES if re.search(library.version, text))


# ---- the launchers
@dataclass(frozen=True)
class Profile:
    """A launcher. Words of ``options`` may hold {n} and {hostfile}; all words of one option stand together."""

    name: str
    version: str  #: pattern in what it answers to ``--version``; the first group that matched is the number
    options: tuple[tuple[str, ...], ...]
    line: str = "{name}"  #: of the host file; {name}, {slots}
    environ: Mapping[str, str] = field(default_factory=dict)
    as_root: Mapping[str, str] = field(default_factory=dict)
    export: tuple[
        str, ...
    ] = ()  #: words that hand on {variable}; (): the whole environment is handed on
    ssh_variable: str = ""  #: further arguments of its ssh; "": it uses none
    serves: str = ""  #: pattern in MPI_Get_library_version of the libraries it can start; "": any
    prefers: str = ""  #: a program beside it that does the same and needs nothing on PATH
    ipv6: bool = True  #: takes IPv6 addresses for hosts
    pmi: str = (
        ""  #: option that names the {plugin} which wires the ranks up; "": it knows by itself
    )


# daemons that a launcher starts with srun must not wait for cores and memory that the job has (Slurm 20.11 and newer)
_BESIDE = {"SLURM_OVERLAP": "1"}
_OMPI_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
_OMPI_OPTIONS = (
    ("--bind-to", "none"), ("--map-by", "ppr:1:node"), ("--hostfile", "{hostfile}"), ("-np", "{n}"),
)  # fmt: skip
# the last one: a collector that is killed must not take the others with it
_HYDRA_OPTIONS = (("-f", "{hostfile}"), ("-ppn", "1"), ("-np", "{n}"), ("-disable-auto-cleanup",))
# --input: our requests go to rank 0 only; --unbuffered: or its answers would wait for the end of a line
_SRUN_OPTIONS = (
    ("--nodes={n}",), ("--ntasks={n}",), ("--ntasks-per-node=1",), ("--nodelist={hostfile}",), ("--mem=0",),
    ("--cpu-bind=none",), ("--mem-bind=none",), ("--export=ALL",), ("--input=0",), ("--unbuffered",),
    ("--kill-on-bad-exit=0",), ("--no-kill",), ("--wait=0",),
)  # fmt: skip
_SRUN_ENVIRON = {"SLURM_LABELIO": "0"}

PROFILES = (
    Profile("Open MPI 5", r"\((?:Open MPI|OpenRTE)\) ((?:[5-9]|\d\d)\.\S+)", _OMPI_OPTIONS, "{name} slots={slots}",
            _BESIDE, _OMPI_ROOT, ("-x", "{variable}"), "PRTE_MCA_plm_ssh_args", r"Open MPI"),
    Profile("Open MPI 4", r"\((?:Open MPI|OpenRTE)\) ([2-4]\.\S+)", (*_OMPI_OPTIONS, ("--enable-recovery",)),
            "{name} slots={slots}", _BESIDE, _OMPI_ROOT, ("-x", "{variable}"), "OMPI_MCA_plm_rsh_args", r"Open MPI"),
    Profile("Intel MPI", r"Intel\(R\) MPI Library.*?Version (\S+)", _HYDRA_OPTIONS, "{name}:{slots}",
            {**_BESIDE, "I_MPI_PIN": "0", "I_MPI_JOB_RESPECT_PROCESS_PLACEMENT": "0"},
            ssh_variable="I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS", serves=r"Intel|MPICH", prefers="mpiexec.hydra"),
    # its host file is cut at the first colon: 2001:db8::1 would become the host 2001
    Profile("MPICH", r"HYDRA build details:\s+Version:\s+(\S+)", (*_HYDRA_OPTIONS, ("-bind-to", "none")),
            "{name}:{slots}", _BESIDE, ssh_variable="HYDRA_LAUNCHER_EXTRA_ARGS", serves=r"MPICH|MVAPICH|Intel",
            ipv6=False),
    Profile("Slurm before 20.11", r"(?m)^slurm\S* ((?:1\d|20\.0\d)\.\S+)", _SRUN_OPTIONS,
            environ=_SRUN_ENVIRON, ipv6=False, pmi="--mpi={plugin}"),
    Profile("Slurm", r"(?m)^slurm\S* (\d\S+)", (("--overlap",), ("--gres=none",), *_SRUN_OPTIONS),
            environ=_SRUN_ENVIRON, ipv6=False, pmi="--mpi={plugin}"),
    Profile("PALS", r"(?i)\bPALS\b.*?(\d+\.[\w.]+)|/cray/pals/(\d+\.[\w.]+)/",
            (("-n", "{n}"), ("--ppn", "1"), ("--hostfile", "{hostfile}"), ("--cpu-bind", "none"),
             ("--mem-bind", "none"), ("--no-abort-on-failure",)),
            environ={"PALS_LABEL": "0", "PALS_LINE_BUFFER": "0", "PALS_TRANSFER": "0"}, ipv6=False),
)  # fmt: skip


def incompatibility(profile: Profile, hosts: Sequence[HostSpec]) -> str:
    """Why a launcher cannot start anything on these hosts; "" when it can."""
    literal = [h.name for h in hosts if ":" in h.name]
    if literal and not profile.ipv6:
        return f"{profile.name} takes no IPv6 address for a host ({', '.join(literal[:3])}): name it, or use ssh"
    return ""


def hostfile_text(profile: Profile, hosts: Sequence[HostSpec]) -> str:
    """The host file in the launcher's dialect. LauncherError when it has no way to write one of the hosts."""
    if why := incompatibility(profile, hosts):
        raise LauncherError(why)
    rows = []
    for host in hosts:
        line = "{name}" if ":" in host.name and ":{slots}" in profile.line else profile.line
        rows.append(line.format(name=checked(host.name), slots=host.slots or 1))
    return "".join(f"{row}\n" for row in rows)
