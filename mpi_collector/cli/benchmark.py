"""``training``, ``checkpointing``, ``kvcache``, ``vectordb``: record a benchmark run."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.benchmark.lifecycle import Lifecycle
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.suite_layout import layout_directory
from mpi_collector.benchmark.transport_choice import choose
from mpi_collector.benchmark.unrecorded import exec_command
from mpi_collector.cli.argument_types import suite_layout
from mpi_collector.cli.collect import split_command
from mpi_collector.cli.hosts import check_host_options, named_hosts
from mpi_collector.cli.options import (
    add_host_options,
    add_launcher_options,
    add_recording_options,
    add_ssh_options,
    add_transport_option,
)
from mpi_collector.cli.outer_wall import record_or_run
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors
from mpi_collector.cli.run_summary import end_run
from mpi_collector.cli.sampling import sampling_options
from mpi_collector.cli.terminal import Terminal
from mpi_collector.cli.what_if import print_what_if
from mpi_collector.formats.suite_command import BENCHMARKS
from mpi_collector.transport.hosts import HostSpec, from_scheduler

if TYPE_CHECKING:
    from mpi_collector.transport.launch.find import FoundLauncher

_EPILOG = """\
examples:
  mpi_collector training run --hosts node[01-16] -- \\
      mpirun -np 128 -f hosts dlio_benchmark workload=unet3d
  mpi_collector kvcache run --hosts client1,client2 --timeseries-interval 1 -- ./kv-replay trace.bin
  mpi_collector vectordb run --hostfile hosts --what-if -- ./search

"run" collects; "datagen" and "configview" only run COMMAND. COMMAND is untouched: its stdin,
stdout, signals and exit code are what they would be without mpi_collector.
"""


@explain_errors
def main(verb: str, words: Sequence[str]) -> int:
    """Run COMMAND and return its exit code; MISTAKE for what is wrong before anything starts."""
    args = _parse(verb, words)
    if args.what != "run":
        if args.what_if:
            print(f"would run: {shlex.join(args.command)}")
            return OK
        return exec_command(args.command, print_message)
    if args.what_if:
        plan = _plan(verb, args)
        print_what_if(plan, choose(plan, verb, lambda: _find_launcher(args)))
        return OK
    return record_or_run(args.command, args.strict, lambda: _record(verb, args))


def _record(verb: str, args: argparse.Namespace) -> int:
    """Record COMMAND and return its exit code. Raises only as long as it has not started."""
    plan = _plan(verb, args)
    choice = choose(plan, verb, lambda: _find_launcher(args))
    lifecycle = Lifecycle(plan, Terminal(args.quiet, args.verbose))
    code = lifecycle.run(choice)
    if lifecycle.collection is not None:
        end_run(lifecycle.collection)
    return code


def _parse(verb: str, words: Sequence[str]) -> argparse.Namespace:
    options, command = split_command(words)
    parser = make_parser(verb, __doc__, _EPILOG)
    add = parser.add_argument
    add("what", choices=("run", "datagen", "configview"), help="what to do")
    add_recording_options(parser)
    add_host_options(parser)
    add_transport_option(parser, help="how to reach the hosts (%(default)s)")
    add(
        "--exec-type",
        choices=("mpi", "docker"),
        default="mpi",
        help="accepted for the suite; docker implies ssh",
    )
    add_launcher_options(parser)
    add_ssh_options(parser)
    add(
        "--suite-layout",
        type=suite_layout,
        default=None,
        metavar="MODE/ORG/SYSTEM",
        help="write into the suite's own directories below --results-dir: "
        "MODE/ORG/results/SYSTEM/BENCHMARK/MODEL/COMMAND/DATETIME (off)",
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
        parser.error("no COMMAND; it goes after --")
    check_host_options(parser, args)
    return args


def _plan(verb: str, args: argparse.Namespace) -> LifecyclePlan:
    """Return the plan. HostsError, ResultsError."""
    hosts, hosts_from = _hosts(args)
    benchmark = BENCHMARKS[verb]
    layout = None
    if args.suite_layout is not None:
        layout = layout_directory(args.suite_layout, args.results_dir, benchmark, args.command)
    docker = args.exec_type == "docker" and args.transport == "auto" and bool(hosts)
    return LifecyclePlan(
        sampling_options(args),
        results_dir=args.results_dir,
        json=args.json,
        shards=args.shards,
        command=args.command,
        live_asked_s=args.live,
        strict=args.strict,
        benchmark=benchmark,
        skip_timeseries=args.skip_timeseries,
        report=args.report == "auto",
        layout=layout,
        hosts=hosts,
        hosts_from=hosts_from,
        transport="ssh" if docker else args.transport,
        transport_why="--exec-type docker" if docker else "asked for",
        mpi_bin=args.mpi_bin,
        mpi_params=args.mpi_params,
        ssh_username=args.ssh_username,
        ssh_fanout=args.ssh_fanout,
        ssh_timeout_s=args.ssh_timeout,
    )


def _hosts(args: argparse.Namespace) -> tuple[list[HostSpec], str]:
    """Return the hosts, none for this host alone, and where they were named."""
    if args.hosts or args.hostfile:
        return named_hosts(args), "--hosts" if args.hosts else str(args.hostfile)
    return from_scheduler(os.environ) or ([], LifecyclePlan.hosts_from)


def _find_launcher(args: argparse.Namespace) -> FoundLauncher:
    from mpi_collector.transport.launch import detect_launcher

    return detect_launcher(args.mpi_bin, os.environ)
