"""Variables of launchers and MPI libraries in the user's environment: which go to a launch of ours.

They are meant for the job, whose launch has the same launcher. Three classes: bounds, output,
placement and counts of the job are never handed to ours; how hosts are reached is, and is left out
of a second attempt when the first one failed; the rest is handed on. ``RULES`` has the first two
with the reason of each; docs/when-it-does-not-start.md has the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mpi_collector.launchers import INTEL_MPI, JSM, MPICH, OPEN_MPI, PALS, SLURM, LauncherFamily


@dataclass(frozen=True)
class Rule:
    """Variables of one class. pattern: of the whole name. reason: why they are in this class."""

    pattern: str
    reason: str


@dataclass(frozen=True)
class LauncherRules:
    """What is known of the variables of a launcher.

    job: never handed to a launch of ours. reach: how hosts are reached. own: pattern of the
    variables that are this launcher's or its MPI library's at all.
    """

    own: str
    job: tuple[Rule, ...]
    reach: tuple[Rule, ...]


_SCRATCH = Rule(r"TMPDIR|TMP|TEMP|\w+_SYSTEM_TMPDIR", "the directory of the launcher's sockets")
_FABRIC = Rule(
    r"(FI|UCX|PSM2|PSM3|IPATH|NCCL|MV2)_\w+", "network of the job's ranks; it may lack TCP"
)
_FABRIC_NAMES = r"(?:FI|UCX|PSM2|PSM3|IPATH|MV2)_\w+"
_HYDRA_JOB = (
    Rule(r"MPIEXEC_TIMEOUT\w*", "ends the launch after the job's time"),
    Rule(r"MPIEXEC_PREFIX_\w+", "puts a text before every line of output"),
    Rule(
        r"HYDRA_(BINDING|MAPPING|MEMBIND|RANKMAP|USER_PROVIDED_BINDING|TOPOLIB|TOPO_DEBUG)",
        "binds the job's ranks",
    ),
    Rule(r"HYDRA_(HOST_FILE|CONFIG_FILE)|MPIEXEC_UNIVERSE_SIZE", "the job's hosts and counts"),
    Rule(r"HYDRA_ENV", "chooses the variables of the job's ranks"),
    Rule(r"HYDRA_(DEBUG|USE_\w+)|MPIR_CVAR_DEBUG\w*", "writes to the output, or runs a debugger"),
)
_HYDRA_REACH = (
    Rule(
        r"HYDRA_(IFACE|LAUNCHER\w*|BOOTSTRAP\w*|RMK|HOSTNAME_PROPAGATION|PROXY_RETRY_COUNT|DEMUX)",
        "how daemons are started, and their network",
    ),
    Rule(r"MPIEXEC_PORT_?RANGE", "ports of the launcher"),
    Rule(r"MPIR_(CVAR|PARAM)_\w*(PORT_?RANGE|IFACE|NETMOD|HOSTNAME)\w*", "network of the ranks"),
    _FABRIC,
    _SCRATCH,
)

RULES: Mapping[LauncherFamily, LauncherRules] = {
    OPEN_MPI: LauncherRules(
        rf"(?:OMPI|OPAL|PRTE|PMIX)_\w+|MPIEXEC_TIMEOUT|{_FABRIC_NAMES}",
        (
            Rule(r"MPIEXEC_TIMEOUT", "ends the launch after the job's time"),
            Rule(r"(OMPI|PRTE)_MCA_(orte|prte)_\w*timeout\w*", "ends the launch"),
            Rule(
                r"(OMPI|PRTE|PMIX)_MCA_\w*(output|timestamp|xml|xterm|merge_stderr|tag)\w*",
                "names files of the job's output, or marks its lines",
            ),
            Rule(r"OMPI_MCA_mpi_show_\w+", "writes to the output"),
            Rule(r"(OMPI|PRTE)_MCA_rmaps_\w+", "maps the job's ranks, and counts them"),
            Rule(
                r"(OMPI|PRTE)_MCA_\w*(binding_policy|bind_to|cpu_list|cpu_set|report_bindings)\w*",
                "binds the job's ranks",
            ),
            Rule(
                r"(OMPI|PRTE)_MCA_(orte|prte|ras)_\w*(hostfile|rankfile|dash_host|slots)\w*",
                "the job's hosts and counts",
            ),
        ),
        (
            Rule(
                r"(OMPI|PRTE|PMIX)_MCA_(plm|oob|ess|grpcomm|routed|ras|ptl|if|reachable)(_\w+)?",
                "how daemons are started, and how they find each other",
            ),
            Rule(
                r"(OMPI|PRTE|PMIX)_MCA_\w*(if_include|if_exclude|_ports?|port_min_v\d|"
                r"port_range_v\d|fqdn_hostnames|strip_prefix|tmpdir\w*)",
                "network, ports and names of hosts",
            ),
            Rule(r"OMPI_MCA_(btl|pml|mtl|osc|bml)(_\w+)?", "network of the job's ranks"),
            Rule(r"(OMPI|OPAL|PRTE|PMIX)_PREFIX", "where the hosts have the installation"),
            _FABRIC,
            _SCRATCH,
        ),
    ),
    MPICH: LauncherRules(
        rf"(?:MPIEXEC|HYDRA|MPICH|MPIR)_\w+|{_FABRIC_NAMES}", _HYDRA_JOB, _HYDRA_REACH
    ),
    INTEL_MPI: LauncherRules(
        rf"(?:I_MPI|MPIEXEC|HYDRA|MPIR)_\w+|{_FABRIC_NAMES}",
        (
            *_HYDRA_JOB,
            Rule(r"I_MPI_(JOB|MPIEXEC|HYDRA)_\w*TIMEOUT\w*", "ends the launch"),
            Rule(r"I_MPI_JOB_(ABORT_SIGNAL|SIGNAL_PROPAGATION)", "signals of the job"),
            Rule(
                r"I_MPI_(OUT|ERR|OUTPUT|PREPEND|DEBUG|STATS|HYDRA_DEBUG|PRINT)\w*",
                "files and lines of output",
            ),
            Rule(r"I_MPI_(PIN|HYDRA_PIN|BIND|OMP)\w*|I_MPI_HYDRA_TOPOLIB", "binds the job's ranks"),
            Rule(r"I_MPI_(PERHOST|HYDRA_HOST_FILE)", "the job's hosts and counts"),
            Rule(r"I_MPI_(GTOOL|JOB_TRACE|JOB_CHECK)\w*", "runs tools around the job's ranks"),
        ),
        (
            Rule(
                r"I_MPI_HYDRA_(IFACE|BOOTSTRAP\w*|RMK|BRANCH_COUNT)",
                "how daemons are started, and their network",
            ),
            Rule(r"I_MPI_(PORT_RANGE|TMPDIR|FABRICS|OFI\w*|TCP\w*)", "network of the ranks"),
            *_HYDRA_REACH,
        ),
    ),
    SLURM: LauncherRules(
        rf"(?:SRUN|OMPI|OPAL|PMIX|MPICH|MPIR|I_MPI)_\w+|{_FABRIC_NAMES}",
        (
            Rule(r"SLURM_(TIMELIMIT|IMMEDIATE|EXIT_IMMEDIATE|WAIT)", "ends or refuses the step"),
            Rule(r"SLURM_(STD(IN|OUT|ERR)MODE|OPEN_MODE|LABELIO)", "files and lines of the output"),
            Rule(
                r"(SLURM|SRUN)_(NTASKS_PER_(NODE|CORE|SOCKET|GPU|TRES)|CPUS_PER_TASK|"
                r"CORES_PER_SOCKET|SOCKETS_PER_NODE|THREADS_PER_CORE|HINT|DISTRIBUTION|"
                r"SPREAD_JOB|EXCLUSIVE|EXACT|ARBITRARY_NODELIST)",
                "places and counts the job's tasks",
            ),
            Rule(
                r"(SLURM|SRUN)_(GPUS?\w*|GRES\w*|TRES_(PER_TASK|BIND)|MEM_PER_\w+|CPUS_PER_GPU)",
                "takes GPUs and memory of the job",
            ),
            Rule(r"SLURM_(CPU|MEM|GPU|ACCEL)_BIND\w*", "binds the job's tasks"),
            Rule(r"SLURM_(TASK_)?(PROLOG|EPILOG)|SRUN_(PROLOG|EPILOG)", "runs scripts of the job"),
            Rule(r"SLURM_(PROFILE|ACCTG_FREQ)|SLURM_(REQ_)?SWITCH\w*", "accounts for the job"),
        ),
        (
            Rule(r"SLURM_(MPI_TYPE|NETWORK|SRUN_PORT\w*)|SRUN_PORT_RANGE", "wiring of the ranks"),
            Rule(r"(OMPI|PMIX)_MCA_\w*(if_include|if_exclude)", "network of the ranks"),
            Rule(r"OMPI_MCA_(btl|pml|mtl|osc|bml)(_\w+)?", "network of the job's ranks"),
            _FABRIC,
            _SCRATCH,
        ),
    ),
    PALS: LauncherRules(
        rf"(?:PALS|MPICH|MPIR)_\w+|{_FABRIC_NAMES}",
        (
            Rule(r"PALS_(TIMEOUT|ABORT\w*|RLIMITS)", "bounds of the job"),
            Rule(r"PALS_(OUTPUT|ERROR|STDOUT|STDERR|VERBOSE)\w*", "files and lines of output"),
            Rule(
                r"PALS_(PPN|DEPTH|NRANKS|CPU_GROUP|GPU_\w+|EXCLUSIVE|EXCLUDE_\w+|HOST(FILE|LIST))",
                "places and counts the job's ranks",
            ),
            Rule(r"PALS_(CPU|MEM|GPU)_BIND", "binds the job's ranks"),
        ),
        (Rule(r"PALS_(PMI|FANOUT|NETWORK\w*)", "wiring of the ranks"), _FABRIC, _SCRATCH),
    ),
    JSM: LauncherRules(r"JSM_\w+", (), (_SCRATCH,)),
}


@dataclass(frozen=True)
class Settings:
    """A user's environment, taken apart for a launch of ours.

    withheld: {variable of the job: why ours does not get it}. reach: variables that tell how hosts
    are reached. kept: further ones of the launcher or its library, which are handed on.
    """

    withheld: Mapping[str, str] = field(default_factory=dict)
    reach: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def environ(self, given: Mapping[str, str], with_reach: bool = True) -> dict[str, str]:
        """Return what our launch gets of the environment ``given``."""
        left_out = {*self.withheld, *(() if with_reach else self.reach)}
        return {name: value for name, value in given.items() if name not in left_out}

    def describe(self) -> str:
        """Return one line for --verbose, "" if the environment has no such variable."""
        parts = []
        if self.kept or self.reach:
            parts.append(f"handed on: {', '.join(sorted((*self.kept, *self.reach)))}")
        if self.withheld:
            why = ", ".join(f"{name} ({reason})" for name, reason in sorted(self.withheld.items()))
            parts.append(f"left to the job: {why}")
        return "; ".join(parts)


def settings_of(environ: Mapping[str, str], family: LauncherFamily) -> Settings:
    """Return the settings of a launcher in an environment."""
    rules = RULES[family]
    withheld: dict[str, str] = {}
    reach: list[str] = []
    kept: list[str] = []
    for name in environ:
        if reason := _reason(name, rules.job):
            withheld[name] = reason
        elif _reason(name, rules.reach):
            reach.append(name)
        elif re.fullmatch(rules.own, name):
            kept.append(name)
    return Settings(withheld, tuple(reach), tuple(kept))


def _reason(name: str, rules: Iterable[Rule]) -> str:
    """Return the reason of the first rule for a variable, "" if there is none."""
    return next((rule.reason for rule in rules if re.fullmatch(rule.pattern, name)), "")
