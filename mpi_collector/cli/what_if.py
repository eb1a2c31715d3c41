"""``--what-if``: every command line that a benchmark verb would start, in order."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.ranks_launch import hosts_to_check, ranks_launch
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.scratch import ScratchDirectory
from mpi_collector.transport.hosts import HostSpec


def print_what_if(plan: LifecyclePlan, choice: Choice) -> None:
    """Print hosts, transport, and the command lines of checks, collectors and COMMAND."""
    hosts = ", ".join(h.name for h in plan.hosts) or "this host"
    print(f"hosts: {hosts} (from {plan.hosts_from})")
    print(f"transport: {choice.transport} ({choice.reason})")
    if choice.transport == "mpi":
        _print_launch(plan, choice)
    elif choice.transport == "ssh":
        from mpi_collector.transport.ssh.bootstrap import remote_command

        _print_sessions("collectors", plan, plan.hosts, remote_command())
    else:
        print("collectors: in this process")
    print(f"would run: {shlex.join(plan.command)}")


def _print_launch(plan: LifecyclePlan, choice: Choice) -> None:
    """Print the checks of the hosts, the launch of the collectors and its host file."""
    from mpi_collector.transport.launch import rank_variables
    from mpi_collector.transport.launch.preflight import check_command, check_program

    if checked := hosts_to_check(plan, choice):
        variables = rank_variables(choice.launcher, os.environ)
        _print_sessions("checks", plan, checked, check_command(variables))
    with ScratchDirectory() as directory:
        if not choice.launcher.profile.ssh_variable:
            check = ranks_launch(plan, choice, plan.hosts, directory, check_program())
            print(f"checks: {shlex.join(check.argv)}")
        launch = ranks_launch(plan, choice, plan.hosts, directory)
        for line in (Path(directory) / "hosts").read_text().splitlines():
            print(f"host file: {line}")
    added = [f"{k}={v}" for k, v in sorted(launch.environ.items()) if os.environ.get(k) != v]
    removed = [word for name in sorted(launch.settings.withheld) for word in ("-u", name)]
    print(f"collectors: {shlex.join(['env', *removed, *added, *launch.argv])}")


def _print_sessions(
    what: str, plan: LifecyclePlan, hosts: Sequence[HostSpec], command: str
) -> None:
    """Print the ssh session of each host, or the shell that takes its place on this host."""
    from mpi_collector.transport.ssh.command_line import site_options, ssh_argv

    for host in hosts:
        if host.is_local:
            argv = ["sh", "-c", command]
        else:
            extra = asyncio.run(site_options(host, plan.ssh_username))
            argv = ssh_argv(host, plan.ssh_username, plan.ssh_timeout_s, command, extra)
        print(f"{what}: {shlex.join(argv)}")
