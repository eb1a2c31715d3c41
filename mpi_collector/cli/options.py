"""Options that several verbs have, each with its default, once."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mpi_collector.benchmark.plan import CollectPlan, LifecyclePlan
from mpi_collector.cli.argument_types import (
    auto_or_never,
    megabytes,
    seconds,
    shards,
    shell_words,
    sources,
    whole_number,
)
from mpi_collector.node.options import (
    MAX_KEPT,
    MAX_SAMPLES,
    MIN_INTERVAL_S,
    MIN_SAMPLES,
    MIN_TIMEOUT_S,
    SamplingOptions,
)
from mpi_collector.node.row.placement import POLICIES

RESCUE_VARIABLE = "MPI_COLLECTOR_RESCUE_DIR"
REPORT_VARIABLE = "MPI_COLLECTOR_REPORT"


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every verb that records."""
    _add_sampling_options(parser)
    _add_output_options(parser)
    _add_spool_options(parser)
    _add_timeouts(parser)
    add = parser.add_argument
    add(
        "--strict",
        action="store_true",
        help="exit 3 when the job succeeded and the recording is incomplete; a benchmark verb also "
        "exits 2, before the job, when a host cannot be recorded",
    )
    add("--quiet", action="store_true", help="warnings and errors only")
    add("--verbose", action="store_true", help="report what was found and done on every host")


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--timeseries-interval",
        type=seconds(MIN_INTERVAL_S),
        default=SamplingOptions.interval_s,
        metavar="S",
        help="seconds between samples (%(default)g)",
    )
    add(
        "--max-timeseries-samples",
        type=whole_number(MIN_SAMPLES, MAX_SAMPLES),
        default=SamplingOptions.max_samples,
        metavar="N",
        help="rows of the array (%(default)d)",
    )
    add(
        "--when-full",
        choices=POLICIES,
        default=SamplingOptions.when_full,
        help="what happens when the array is full (%(default)s: keep every other tick)",
    )
    add(
        "--sources",
        type=sources,
        default=SamplingOptions.sources,
        metavar="LIST",
        help="basic, default, all, or names separated by commas; processes:PATTERN "
        "(mpi_collector sources --help)",
    )
    add("--skip-timeseries", action="store_true", help="snapshots at the start and the end only")


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_results_directory(parser)
    add(
        "--json",
        choices=("auto", "always", "never"),
        default=CollectPlan.json,
        help="write the suite's JSON (auto: up to 2 GB)",
    )
    add(
        "--shards",
        type=shards,
        default="auto",
        metavar="auto|N",
        help="above N hosts the recording is in parts beside an index (auto: 1000; 0: never)",
    )
    add(
        "--report",
        type=auto_or_never,
        default=os.environ.get(REPORT_VARIABLE) or "auto",
        metavar="{auto,never}",
        help=f"write the page when the report extra is installed (auto; {REPORT_VARIABLE})",
    )


def _add_spool_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--spool-dir",
        default=SamplingOptions.spool_dir,
        metavar="DIR",
        help="tmpfs for the recording while it is made (%(default)s)",
    )
    add(
        "--max-spool-mb",
        type=megabytes,
        default=SamplingOptions.max_spool_mb,
        metavar="MB",
        help="limit of the spools on each host, those of dead runs included (half of what is free)",
    )
    add(
        "--keep-spools",
        type=whole_number(0, MAX_KEPT),
        default=SamplingOptions.keep_spools,
        metavar="N",
        help="on each host, keep the N newest spools of dead runs that were not recovered; the "
        "others are named and removed once over a day old (%(default)d, 0: keep all)",
    )
    add(
        "--keep-spool-days",
        type=whole_number(0, MAX_KEPT),
        default=int(SamplingOptions.keep_spool_days),
        metavar="D",
        help="and keep them for D days at most (%(default)d, 0: for ever)",
    )
    add(
        "--rescue-dir",
        default=os.environ.get(RESCUE_VARIABLE) or None,
        metavar="DIR",
        help="where a process whose launcher has died writes a backup of its host's recording, for "
        "sites that wipe /dev/shm at logout; recover --rescue-dir reads it "
        f"({RESCUE_VARIABLE}, off)",
    )
    add(
        "--replicate",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.replicate_s,
        metavar="S",
        help="send new rows to rank 0 or the launch node every S seconds, for hosts that lose "
        "power (off)",
    )
    add(
        "--live",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.live_s,
        metavar="S",
        help="send a few figures of every host to rank 0 or the launch node every S seconds, for "
        "mpi_collector top; at most once a sample (off)",
    )


def _add_timeouts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--start-timeout",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.start_timeout_s,
        metavar="S",
        help="wait up to S seconds until the hosts are sampling (%(default)g)",
    )
    add(
        "--gather-timeout",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.gather_timeout_s,
        metavar="S",
        help="at the end, wait up to S seconds for each host's table (%(default)g)",
    )


def add_results_directory(parser: argparse.ArgumentParser) -> None:
    """Add --results-dir of a verb that writes there."""
    parser.add_argument(
        "--results-dir",
        type=Path,
        default=CollectPlan.results_dir,
        metavar="DIR",
        help="where the files go (./%(default)s)",
    )


def add_host_options(parser: argparse.ArgumentParser, action: str = "store") -> None:
    """Add --hosts and --hostfile; ``action`` of --hosts as in argparse."""
    add = parser.add_argument
    add(
        "--hosts",
        "-s",
        action=action,
        nargs="+",
        default=None,
        metavar="HOST",
        help="names, node sets, addresses, separated by commas or spaces",
    )
    add(
        "--hostfile",
        type=Path,
        default=None,
        metavar="FILE",
        help="hosts from a file, in the format of any launcher",
    )


def add_transport_option(parser: argparse.ArgumentParser, help: str) -> None:
    """Add --transport."""
    parser.add_argument(
        "--transport",
        choices=("auto", "mpi", "ssh", "local"),
        default=LifecyclePlan.transport,
        help=help,
    )


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a launch of our own."""
    add = parser.add_argument
    add("--mpi-bin", default=None, metavar="PATH", help="launcher, or the directory that holds it")
    add(
        "--mpi-params",
        type=shell_words,
        default="",
        metavar="WORDS",
        help="further options for the collectors' launch",
    )


def add_ssh_options(parser: argparse.ArgumentParser, fanout: bool = True) -> None:
    """Add the options of ssh sessions; ``fanout``: how many start at a time, too."""
    add = parser.add_argument
    add(
        "--ssh-username",
        default=LifecyclePlan.ssh_username,
        metavar="USER",
        help="user on the hosts (default: from ssh's own configuration)",
    )
    if fanout:
        add(
            "--ssh-fanout",
            type=whole_number(1, 1024),
            default=LifecyclePlan.ssh_fanout,
            metavar="N",
            help="sessions started at the same time (%(default)d)",
        )
    add(
        "--ssh-timeout",
        type=seconds(MIN_TIMEOUT_S),
        default=LifecyclePlan.ssh_timeout_s,
        metavar="S",
        help="wait up to S seconds for a host to answer (%(default)g)",
    )


def add_recording_argument(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument of verbs that read a recording."""
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=CollectPlan.results_dir,
        help="a recording, or a results directory",
    )
