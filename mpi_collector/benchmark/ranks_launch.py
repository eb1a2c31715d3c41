"""A launch of one rank of ours per host: which hosts can take part, and its command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.node.host.identity import identity, identity_text
from mpi_collector.scratch import ScratchDirectory
from mpi_collector.transport.hosts import HostSpec, find_aliases, known_names
from mpi_collector.transport.own_python import own_argv

if TYPE_CHECKING:
    from mpi_collector.transport.launch import LaunchCommand
    from mpi_collector.transport.launch.preflight import Findings

#: set inside allocations, where launchers start their daemons without ssh
_ALLOCATIONS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")


@dataclass(frozen=True)
class Unusable:
    """Hosts that get no rank of their own: broken ones, and further names of other hosts."""

    broken: dict[str, str]  #: host -> what keeps a rank of ours from starting there
    aliases: dict[str, str] = field(default_factory=dict)  #: name -> name of the same host

    def usable(self, hosts: Sequence[HostSpec]) -> list[HostSpec]:
        """Return those of ``hosts`` that get a rank."""
        return [h for h in hosts if h.name not in self.broken and h.name not in self.aliases]


def find_unusable(
    plan: LifecyclePlan, choice: Choice, progress: Callable[[str, int, int], None]
) -> Unusable:
    """Find out before a launch which hosts get no rank.

    One broken host would fail the whole launch, and so would one that is named twice.
    """
    checked = hosts_to_check(plan, choice)
    found = ask_hosts(plan, choice, checked, progress)
    if not choice.launcher.profile.ssh_variable:
        return Unusable(found.problems)
    this_host = identity_text(identity())
    identities = [
        (host.name, found.identities.get(host.name, this_host))
        for host in (plan.hosts if checked else [])
        if host.name not in found.problems
    ]
    return Unusable(found.problems, find_aliases((name, who) for name, who in identities if who))


def ask_hosts(
    plan: LifecyclePlan,
    choice: Choice,
    hosts: Sequence[HostSpec],
    progress: Callable[[str, int, int], None],
) -> Findings:
    """Ask ``hosts`` over ssh whether ranks of ours can run there.

    A launcher that starts no ssh reaches hosts where nobody may log in: it asks all hosts of the
    plan.
    """
    if not choice.launcher.profile.ssh_variable:
        return _ask_by_launcher(plan, choice)
    from mpi_collector.transport.launch import rank_variables
    from mpi_collector.transport.launch.preflight import check_ranks

    variables = rank_variables(choice.launcher, os.environ)
    user, fanout, timeout_s = plan.ssh_username, plan.ssh_fanout, plan.ssh_timeout_s
    return check_ranks(hosts, user, fanout, timeout_s, variables, progress)


def _ask_by_launcher(plan: LifecyclePlan, choice: Choice) -> Findings:
    """Have the launcher run the question on each host, and read its answers."""
    from mpi_collector.transport.launch.preflight import check_by_launcher, check_program

    with ScratchDirectory() as directory:
        launch = ranks_launch(plan, choice, plan.hosts, directory, check_program())
        # buffered: whole lines of one task after the other
        argv = [word for word in launch.argv if word != "--unbuffered"]
        timeout_s = plan.sampling.start_timeout_s
        names = known_names(plan.hosts)
        return check_by_launcher(argv, launch.environ, names, plan.hosts, timeout_s)


def hosts_to_check(plan: LifecyclePlan, choice: Choice) -> list[HostSpec]:
    """Return the hosts that ``find_unusable`` asks over ssh."""
    if not choice.launcher.profile.ssh_variable or any(v in os.environ for v in _ALLOCATIONS):
        return []
    return [h for h in plan.hosts if not h.is_local]


def ranks_launch(
    plan: LifecyclePlan,
    choice: Choice,
    hosts: Sequence[HostSpec],
    directory: str,
    program: Sequence[str] = (),
) -> LaunchCommand:
    """Return a launch of one process per host.

    The process is a rank of ours unless ``program`` names another one. The launch's host file is
    written into ``directory``.
    """
    from mpi_collector.transport.launch import build_launch_command, hostfile_text, with_user

    hosts, ssh_args = with_user(hosts, plan.ssh_username)
    hostfile = Path(directory) / "hosts"
    hostfile.write_text(hostfile_text(choice.launcher.profile, hosts))
    return build_launch_command(
        choice.launcher,
        hosts,
        program or own_argv("collect", "--bridge"),
        plan.mpi_params,
        hostfile,
        os.getuid() == 0,
        ssh_args=ssh_args,
    )
