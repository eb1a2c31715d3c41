"""``mlpstorage``: run MLPerf Storage with the collectors of this program in place of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.benchmark.lifecycle import Lifecycle
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.suite_installation import (
    SuiteInstallation,
    find_suite,
    suite_program,
)
from mpi_collector.benchmark.suite_run import suite_results
from mpi_collector.benchmark.transport_choice import Choice, choose
from mpi_collector.benchmark.unrecorded import exec_command
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
from mpi_collector.cli.result import Mistake, explain_errors
from mpi_collector.cli.run_summary import end_run
from mpi_collector.cli.sampling import sampling_options
from mpi_collector.cli.terminal import Terminal
from mpi_collector.formats.suite_command import BENCHMARKS, PROGRAM, SuiteCommand, parse_suite
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.hosts import HostSpec, parse_hosts
from mpi_collector.transport.own_python import python_argv

_EPILOG = """\
examples:
  mpi_collector mlpstorage -- open training unet3d run file --hosts c1 c2 --num-accelerators 8 ...
  mpi_collector mlpstorage --timeseries-interval 1 -- closed checkpointing llama3-8b run file ...
  mpi_collector mlpstorage --beside -- open kvcache run --hosts c1,c2 ...

ARGS are those of the suite's own command, which runs as it is: its files, its output and its exit
code. In its run directory a folder mpi_collector_DATETIME has the recording and the page. Interval,
rows and hosts are those that the suite asks its collectors for, unless they are given here.
"""
#: options whose default is what the suite asks for
_FROM_SUITE = ("timeseries_interval", "max_timeseries_samples", "results_dir")
_PROGRAM = "from mpi_collector.suite.start import main; sys.exit(main(sys.argv[1:]))"


@explain_errors
def main(words: Sequence[str]) -> int:
    """Run the suite and return its exit code; MISTAKE when it is not installed."""
    args = parse(words)
    command = [suite_program() or PROGRAM, *args.suite]
    return record_or_run(command, args.strict, lambda: _record(args, command, words))


def _record(args: argparse.Namespace, command: list[str], words: Sequence[str]) -> int:
    """Record the suite and return its exit code. Raises only as long as it has not started."""
    installation = find_suite()
    if installation is None:
        raise Mistake(
            f"MLPerf Storage is not installed for {sys.executable}, and there is no {PROGRAM} on "
            "the PATH; install it there"
        )
    suite = parse_suite(args.suite)
    if not suite.records and installation.script is not None:
        return exec_command(command, print_message)
    console = Terminal(args.quiet, args.verbose)
    why = "--beside" if args.beside else _cannot_replace(installation)
    if why:
        console.info(f"{installation.described()}: recorded beside it ({why})")
        return _record_beside(args, suite, command, console)
    return exec_command([*python_argv(_PROGRAM), *words], print_message)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the options, and as ``suite`` the suite's words; exits with MISTAKE on a mistake."""
    options, suite = split_command(words)
    parser = make_parser("mlpstorage", __doc__, _EPILOG)
    add_recording_options(parser)
    add_host_options(parser)
    add_transport_option(parser, help="how to reach the hosts (%(default)s)")
    add_launcher_options(parser)
    add_ssh_options(parser)
    parser.add_argument(
        "--beside",
        action="store_true",
        help="leave the suite's collectors as they are, and record around its command",
    )
    if not {"-h", "--help"} & set(options):  # help shows numbers
        parser.set_defaults(**dict.fromkeys(_FROM_SUITE))
    args = parser.parse_args(options)
    if not suite:
        parser.error("no ARGS; they are those of mlpstorage, and go after --")
    check_host_options(parser, args)
    args.suite = suite
    return args


def plan_of(
    args: argparse.Namespace,
    benchmark: str,
    command: Sequence[str],
    hosts: Sequence[str],
    results_dir: Path,
) -> LifecyclePlan:
    """Return what is recorded beside a run of the suite.

    benchmark: its name on the suite's command line. hosts: of the suite, used where none are given
    here. HostsError.
    """
    named = named_hosts(args)
    values = vars(args) | {"command": list(command), "results_dir": args.results_dir or results_dir}
    values["timeseries_interval"] = args.timeseries_interval or SamplingOptions.interval_s
    values["max_timeseries_samples"] = args.max_timeseries_samples or SamplingOptions.max_samples
    return LifecyclePlan(
        sampling_options(argparse.Namespace(**values)),
        results_dir=values["results_dir"],
        json=args.json,
        shards=args.shards,
        command=list(command),
        live_asked_s=args.live,
        strict=args.strict,
        benchmark=BENCHMARKS[benchmark],
        skip_timeseries=args.skip_timeseries,
        report=args.report == "auto",
        hosts=named or _suite_hosts(hosts),
        hosts_from="--hosts" if named else "the suite's --hosts",
        transport=args.transport,
        mpi_bin=args.mpi_bin,
        mpi_params=args.mpi_params,
        ssh_username=args.ssh_username,
        ssh_fanout=args.ssh_fanout,
        ssh_timeout_s=args.ssh_timeout,
    )


def choice_of(plan: LifecyclePlan, benchmark: str) -> Choice:
    """Choose the transport. TransportError when the one that was asked for is not available."""
    from mpi_collector.transport.launch import detect_launcher

    return choose(plan, benchmark, lambda: detect_launcher(plan.mpi_bin, os.environ))


def _suite_hosts(hosts: Sequence[str]) -> list[HostSpec]:
    """Return the hosts that the suite names; [] for none: this host."""
    if not hosts:
        return []
    return parse_hosts(hosts, remark=lambda text: print_message(f"warning: {text}"))


def _cannot_replace(installation: SuiteInstallation) -> str:
    """Return why the suite's collectors cannot be replaced, "" when they can."""
    if installation.package is None:
        return f"it is not installed for {sys.executable}"
    return "" if installation.is_known else "its version is not known"


def _record_beside(
    args: argparse.Namespace, suite: SuiteCommand, command: list[str], console: Terminal
) -> int:
    """Record around the suite's command; return its exit code, MISTAKE for no benchmark."""
    benchmark = suite.benchmark
    if benchmark is None:  # ``records`` is true only with one
        return MISTAKE
    asked = suite.arguments
    args.timeseries_interval = args.timeseries_interval or asked.get("timeseries_interval")
    args.max_timeseries_samples = args.max_timeseries_samples or asked.get("max_timeseries_samples")
    plan = plan_of(args, benchmark, command, suite.hosts, suite_results(suite))
    plan.beside_suite = args.results_dir is None
    lifecycle = Lifecycle(plan, console)
    code = lifecycle.run(choice_of(plan, benchmark))
    if lifecycle.collection is not None:
        end_run(lifecycle.collection)
    return code
