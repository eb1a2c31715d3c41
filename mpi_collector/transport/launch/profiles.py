"""How each launcher starts ranks of ours, and how each MPI library stays off the job's network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mpi_collector.errors import LauncherError
from mpi_collector.launchers import INTEL_MPI, MPICH, OPEN_MPI, PALS, SLURM, LauncherFamily
from mpi_collector.transport.hosts import HostSpec, checked

Options = tuple[tuple[str, ...], ...]


# ---- MPI libraries
@dataclass(frozen=True)
class Library:
    """An MPI library.

    pattern: matches MPI_Get_library_version(), or what its own launcher says of itself. off_fabric:
    variables that keep its ranks on TCP, away from the network that the job uses. pmi: the srun
    plugin that connects its ranks; "": the site's default.
    """

    pattern: str
    off_fabric: Mapping[str, str] = field(default_factory=dict)
    pmi: str = ""


ANY = Library("")
_OPEN_MPI_LIBRARY = Library(
    r"Open MPI|OpenRTE", {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self"}, "pmix"
)
_INTEL_LIBRARY = Library(
    r"Intel\(R\) MPI", {"I_MPI_FABRICS": "shm:ofi", "I_MPI_OFI_PROVIDER": "tcp"}, "pmi2"
)
_CRAY_LIBRARY = Library(r"CRAY MPICH")
_TCP = {"FI_PROVIDER": "tcp", "UCX_TLS": "tcp,self,sm"}
# UCX may abort in MPI_Init if the launch node has several networks; a build that also has
# libfabric need not use UCX
_MPICH_OFI_LIBRARY = Library(
    r"(?:MPICH|HYDRA)[\s\S]*ch4:(?:\w+,)*ofi", {**_TCP, "MPIR_CVAR_CH4_NETMOD": "ofi"}, "pmi2"
)
_MPICH_LIBRARY = Library(r"MPICH|HYDRA|MVAPICH", _TCP, "pmi2")
#: the first that matches counts
LIBRARIES = (
    _CRAY_LIBRARY,
    _INTEL_LIBRARY,
    _OPEN_MPI_LIBRARY,
    _MPICH_OFI_LIBRARY,
    _MPICH_LIBRARY,
    ANY,
)


def library_of(text: str) -> Library:
    """Return the library that describes itself by ``text``."""
    return next(library for library in LIBRARIES if re.search(library.pattern, text))


# ---- launchers
@dataclass(frozen=True)
class Profile:
    """A launcher of a range of versions, and how it is told to start one rank on each host.

    version_pattern: matches its answer to ``--version``; the first group that matched is the
    version.
    options: each a tuple of words, which may hold {n} and {hostfile}.
    hostfile_line: a line of its host file, with {name} and {slots}.
    hostfile_user, hostfile_port: are put behind the line for a host whose ssh needs a
    {user} or a {port}; "": its host file cannot say that.
    environ: variables to set. environ_as_root: further ones if the user is root.
    export_option: words that pass {variable} on to the ranks; (): the whole environment is passed
    on.
    ssh_variable: holds further arguments of its ssh; "": it does not use ssh.
    starts: pattern in MPI_Get_library_version() of the libraries whose ranks it can start; "": any.
    preferred_program: a program beside it that does the same and needs nothing on PATH.
    ipv6: whether it accepts IPv6 addresses as hosts.
    keep_domains: variables that keep it from cutting the domains off names of hosts.
    pmi_option: names the {plugin} that connects the ranks; "": the launcher knows by itself.
    """

    name: str
    family: LauncherFamily
    version_pattern: str
    options: Options
    hostfile_line: str = "{name}"
    hostfile_user: str = ""
    hostfile_port: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    environ_as_root: Mapping[str, str] = field(default_factory=dict)
    export_option: tuple[str, ...] = ()
    ssh_variable: str = ""
    starts: str = ""
    preferred_program: str = ""
    ipv6: bool = True
    keep_domains: Mapping[str, str] = field(default_factory=dict)
    pmi_option: str = ""


# daemons that a launcher starts with srun must not wait for cores and memory that the job has
# (Slurm 20.11 and newer)
_OVERLAP = {"SLURM_OVERLAP": "1"}
_OPEN_MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
_OPEN_MPI_OPTIONS: Options = (
    ("--bind-to", "none"),
    ("--map-by", "ppr:1:node"),
    ("--hostfile", "{hostfile}"),
    ("-np", "{n}"),
)
_HYDRA_OPTIONS: Options = (
    ("-f", "{hostfile}"),
    ("-ppn", "1"),
    ("-np", "{n}"),
    ("-disable-auto-cleanup",),  # a collector that is killed must not end the others
)
_SRUN_OPTIONS: Options = (
    ("--nodes={n}",),
    ("--ntasks={n}",),
    ("--ntasks-per-node=1",),
    ("--nodelist={hostfile}",),
    ("--mem=0",),
    ("--cpu-bind=none",),
    ("--mem-bind=none",),
    ("--export=ALL",),
    ("--input=0",),  # requests go to rank 0 only
    ("--unbuffered",),  # else rank 0's answers wait for the end of a line
    ("--kill-on-bad-exit=0",),
    ("--no-kill",),
    ("--wait=0",),
)
_SRUN_ENVIRON = {"SLURM_LABELIO": "0"}

#: the first that matches counts
PROFILES = (
    Profile(
        "Open MPI 5",
        OPEN_MPI,
        r"\((?:Open MPI|OpenRTE)\) ((?:[5-9]|\d\d)\.\S+)",
        _OPEN_MPI_OPTIONS,
        hostfile_line="{name} slots={slots}",
        hostfile_user=" username={user}",
        hostfile_port=" port={port}",
        environ=_OVERLAP,
        environ_as_root=_OPEN_MPI_AS_ROOT,
        export_option=("-x", "{variable}"),
        ssh_variable="PRTE_MCA_plm_ssh_args",
        keep_domains={"PRTE_MCA_prte_keep_fqdn_hostnames": "1"},
        starts=r"Open MPI",
    ),
    Profile(
        "Open MPI 4",
        OPEN_MPI,
        r"\((?:Open MPI|OpenRTE)\) ([2-4]\.\S+)",
        (*_OPEN_MPI_OPTIONS, ("--enable-recovery",)),
        hostfile_line="{name} slots={slots}",
        hostfile_user=" username={user}",
        hostfile_port=" port={port}",
        environ=_OVERLAP,
        environ_as_root=_OPEN_MPI_AS_ROOT,
        export_option=("-x", "{variable}"),
        ssh_variable="OMPI_MCA_plm_rsh_args",
        keep_domains={"OMPI_MCA_orte_keep_fqdn_hostnames": "1"},
        starts=r"Open MPI",
    ),
    Profile(
        "Intel MPI",
        INTEL_MPI,
        r"Intel\(R\) MPI Library.*?Version (\S+)",
        _HYDRA_OPTIONS,
        hostfile_line="{name}:{slots}",
        environ={**_OVERLAP, "I_MPI_PIN": "0", "I_MPI_JOB_RESPECT_PROCESS_PLACEMENT": "0"},
        ssh_variable="I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS",
        starts=r"Intel|MPICH",
        preferred_program="mpiexec.hydra",
    ),
    Profile(
        "MPICH",
        MPICH,
        r"HYDRA build details:\s+Version:\s+(\S+)",
        (*_HYDRA_OPTIONS, ("-bind-to", "none")),
        hostfile_line="{name}:{slots}",
        hostfile_user=" user={user}",
        environ=_OVERLAP,
        ssh_variable="HYDRA_LAUNCHER_EXTRA_ARGS",
        starts=r"MPICH|MVAPICH|Intel",
        ipv6=False,  # Hydra cuts a host at its first colon: 2001:db8::1 would be the host 2001
    ),
    Profile(
        "Slurm before 20.11",
        SLURM,
        r"(?m)^slurm\S* ((?:1\d|20\.0\d)\.\S+)",
        _SRUN_OPTIONS,
        environ=_SRUN_ENVIRON,
        ipv6=False,
        pmi_option="--mpi={plugin}",
    ),
    Profile(
        "Slurm",
        SLURM,
        r"(?m)^slurm\S* (\d\S+)",
        (("--overlap",), ("--gres=none",), *_SRUN_OPTIONS),
        environ=_SRUN_ENVIRON,
        ipv6=False,
        pmi_option="--mpi={plugin}",
    ),
    Profile(
        "PALS",
        PALS,
        r"(?i)\bPALS\b.*?(\d+\.[\w.]+)|/cray/pals/(\d+\.[\w.]+)/",
        (
            ("-n", "{n}"),
            ("--ppn", "1"),
            ("--hostfile", "{hostfile}"),
            ("--cpu-bind", "none"),
            ("--mem-bind", "none"),
            ("--no-abort-on-failure",),
        ),
        environ={"PALS_LABEL": "0", "PALS_LINE_BUFFER": "0", "PALS_TRANSFER": "0"},
        ipv6=False,
    ),
)


def incompatibility(profile: Profile, hosts: Sequence[HostSpec]) -> str:
    """Return why a launcher cannot start ranks on these hosts, "" if it can."""
    literal = [h.name for h in hosts if ":" in h.name]
    if literal and not profile.ipv6:
        return (
            f"{profile.name} does not accept an IPv6 address as a host ({', '.join(literal[:3])}):"
            " give its name, or use ssh"
        )
    for what, form in (("user", profile.hostfile_user), ("port", profile.hostfile_port)):
        named = [h.name for h in hosts if getattr(h, what) is not None]
        if named and profile.ssh_variable and not form:
            return (
                f"{profile.name} cannot be told the {what} of a host ({', '.join(named[:3])}):"
                " give it in ssh's own configuration, or use ssh"
            )
    return ""


def hostfile_text(profile: Profile, hosts: Sequence[HostSpec]) -> str:
    """Return the host file in the launcher's dialect.

    Raise LauncherError if it cannot express one of the hosts.
    """
    if why := incompatibility(profile, hosts):
        raise LauncherError(why)
    rows = []
    for host in hosts:
        ambiguous = ":" in host.name and ":{slots}" in profile.hostfile_line
        line = "{name}" if ambiguous else profile.hostfile_line
        line += profile.hostfile_user if host.user is not None else ""
        line += profile.hostfile_port if host.port is not None else ""
        values = {"user": host.user, "port": host.port, "slots": host.slots or 1}
        rows.append(line.format(name=checked(host.name), **values))
    return "".join(f"{row}\n" for row in rows)
