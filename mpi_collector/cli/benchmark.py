"""``training``, ``checkpointing``, ``kvcache``, ``vectordb``: a benchmark run with collectors beside it."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.benchmark.lifecycle import (
    BENCHMARKS,
    Choice,
    Lifecycle,
    LifecyclePlan,
    choose,
    ranks_launch,
    to_check,
)
from mpi_collector.benchmark.unrecorded import exec_command
from mpi_collector.cli.collect import split_command, tell
from mpi_collector.cli.parser import QuietParser
from mpi_collector.cli.sampling import (
    add_sampling_options,
    sampling_options,
    seconds,
    sessions,
    shell_words,
)
from mpi_collector.cli.terminal import Terminal
from mpi_collector.errors import HostsError, TransportError
from mpi_collector.transport.hosts import (
    HostSpec,
    from_scheduler,
    parse_hostfile,
    parse_hosts,
    valid_user,
)

_EPILOG = """\
examples:
  mpi_collector training run --hosts node[01-16] -- mpirun -np 128 -f hosts dlio_benchmark workload=unet3d
  mpi_collector kvcache run --hosts client1,client2 --timeseries-interval 1 -- ./kv-replay trace.bin
  mpi_collector vectordb run --hostfile hosts --what-if -- ./search

"run" collects; "datagen" and "configview" only run COMMAND. COMMAND is untouched: its stdin, stdout, signals and exit code
are what they would be without us.
"""


def main(verb: str, words: Sequence[str]) -> int:
    """COMMAND's exit code; 2 for a mistake before anything starts."""
    args = _parse(verb, words)
    if args.what != "run":
        if args.what_if:
            print(f"would run: {shlex.join(args.command)}")
            return 0
        return exec_command(args.command, print_message)
    plan = _plan(verb, args)
    try:
        choice = choose(plan, verb, lambda: _find_launcher(args))
    except TransportError as e:
        print_message(str(e))
        return 2
    if args.what_if:
        _print_what_if(plan, choice)
        return 0
    return _run(plan, verb, choice, Terminal(args.quiet, args.verbose))


def _run(plan: LifecyclePlan, verb: str, choice: Choice, console: Terminal) -> int:
    from mpi_collector.errors import ResultsError

    lifecycle = Lifecycle(plan, verb, console)
    try:
        code = lifecycle.run(choice)
    except ResultsError as e:
        print_message(str(e))
        return 2
    tell(lifecycle.collection)
    return code


def _parse(verb: str, words: Sequence[str]) -> argparse.Namespace:
    options, command = split_command(words)
    parser = QuietParser(prog=f"mpi_collector {verb}", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add("what", choices=("run", "datagen", "configview"), help="what to do")
    add_sampling_options(parser)
    add(
        "--hosts",
        "-s",
        nargs="+",
        default=None,
        metavar="HOST",
        help="names, node sets, addresses; commas or blanks",
    )
    add(
        "--hostfile",
        type=Path,
        default=None,
        metavar="FILE",
        help="hosts from a file, any launcher's dialect",
    )
    add(
        "--transport",
        choices=("auto", "mpi", "ssh", "local"),
        default="auto",
        help="how to reach the hosts (auto)",
    )
    add(
        "--exec-type",
        choices=("mpi", "docker"),
        default="mpi",
        help="accepted for the suite; docker implies ssh",
    )
    add("--mpi-bin", default=None, metavar="PATH", help="launcher, or the directory that holds it")
    add(
        "--mpi-params",
        type=shell_words,
        default="",
        metavar="WORDS",
        help="further options for the collectors' launch",
    )
    add(
        "--ssh-username",
        default=None,
        metavar="USER",
        help="user on the hosts (ssh's own configuration)",
    )
    add(
        "--ssh-fanout", type=sessions, default=8, metavar="N", help="sessions started at a time (8)"
    )
    add(
        "--ssh-timeout",
        type=seconds(0.1),
        default=30.0,
        metavar="S",
        help="wait for a host's agent (30)",
    )
    add(
        "--what-if",
        "--dry-run",
        action="store_true",
        help="print what would be run, and run nothing",
    )
    args = parser.parse_args(options)
    args.command = command
    if not command:
        parser.error("no COMMAND; it goes behind --")
    if args.hosts and args.hostfile:
        parser.error("--hosts and --hostfile: give one of them")
    if args.ssh_username is not None and not valid_user(args.ssh_username):
        parser.error(f"--ssh-username: {args.ssh_username[:40]!r} is no user name")
    return args


def _plan(verb: str, args: argparse.Namespace) -> LifecyclePlan:
    try:
        hosts, origin = _hosts(args)
    except (HostsError, OSError) as e:
        print_message(error_text(e))
        sys.exit(2)
    docker = args.exec_type == "docker" and args.transport == "auto" and bool(hosts)
    return LifecyclePlan(
        sampling_options(args), args.results_dir, args.json, args.command, args.strict, BENCHMARKS[verb], args.skip_timeseries,
        args.report == "auto",
        hosts=hosts, hosts_from=origin, transport="ssh" if docker else args.transport,
        transport_why="--exec-type docker" if docker else "asked for", mpi_bin=args.mpi_bin, mpi_params=args.mpi_params,
        ssh_username=args.ssh_username, ssh_fanout=args.ssh_fanout, ssh_timeout_s=args.ssh_timeout,
    )  # fmt: skip


def _hosts(args: argparse.Namespace) -> tuple[list[HostSpec], str]:
    if args.hosts:
        return parse_hosts(args.hosts), "--hosts"
    if args.hostfile is not None:
        return parse_hostfile(args.hostfile), str(args.hostfile)
    return from_scheduler(os.environ) or ([], "this host")


def _find_launcher(args: argparse.Namespace) -> object:
    from mpi_collector.transport.launch import detect_launcher

    return detect_launcher(args.mpi_bin, os.environ)


def _print_what_if(plan: LifecyclePlan, choice: Choice) -> None:
    """Every command line that ``run`` would start, in its order."""
    print(f"hosts: {', '.join(h.name for h in plan.hosts) or 'this host'} (from {plan.hosts_from})")
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
    from mpi_collector.transport.launch.preflight import check_command, check_program

    if looked_at := to_check(plan, choice):
        _print_sessions("checks", plan, looked_at, check_command())
    with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
        if not choice.launcher.profile.ssh_variable:
            print(
                f"checks: {shlex.join(ranks_launch(plan, choice, plan.hosts, directory, check_program())[0])}"
            )
        argv, environ = ranks_launch(plan, choice, plan.hosts, directory)
        for line in (Path(directory) / "hosts").read_text().splitlines():
            print(f"host file: {line}")
    added = {k: v for k, v in sorted(environ.items()) if os.environ.get(k) != v}
    print(f"collectors: {shlex.join(['env', *(f'{k}={v}' for k, v in added.items()), *argv])}")


def _print_sessions(
    what: str, plan: LifecyclePlan, hosts: Sequence[HostSpec], command: str
) -> None:
    from mpi_collector.transport.ssh.command_line import host_key_option, ssh_argv

    for host in hosts:
        if host.is_local:
            argv = ["sh", "-c", command]
        else:
            extra = asyncio.run(host_key_option(host.name, plan.ssh_username))
            argv = ssh_argv(host.name, plan.ssh_username, plan.ssh_timeout_s, command, extra)
        print(f"{what}: {shlex.join(argv)}")
