"""The options that every way of recording has, and what they mean."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.node.options import (
    END_OF_SECONDS_S,
    END_OF_SPOOL_MB,
    MAX_KEPT,
    MAX_SAMPLES,
    MIN_INTERVAL_S,
    MIN_SAMPLES,
    MIN_TIMEOUT_S,
    SamplingOptions,
)
from mpi_collector.node.row.placement import POLICIES
from mpi_collector.node.sources import select

_ONLY_ONCE_S = 1e8
_DIRECTORIES_MAX = 16


def seconds(low: float) -> type:
    """What reads a number of seconds, ``low`` or more."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value < END_OF_SECONDS_S:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and 1e9 seconds")
        return value

    parse.__name__ = "number of seconds"
    return parse  # type: ignore[return-value]


def _count(text: str) -> int:
    value = int(text)
    if not MIN_SAMPLES <= value <= MAX_SAMPLES:
        raise argparse.ArgumentTypeError(f"{text} is not between {MIN_SAMPLES} and {MAX_SAMPLES:,}")
    return value


_count.__name__ = "whole number"


def _bound(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MAX_KEPT:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {MAX_KEPT:,}")
    return value


_bound.__name__ = "whole number"


def _megabytes(text: str) -> float:
    value = float(text)
    if not 0 < value < END_OF_SPOOL_MB:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1e9")
    return value


def sessions(text: str) -> int:
    """What reads ``--ssh-fanout``."""
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1024")
    return value


def shell_words(text: str) -> list[str]:
    """What reads ``--mpi-params``."""
    try:
        return shlex.split(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: {e}") from None


def _sources(text: str) -> str:
    try:
        select(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
    return text


def _page(text: str) -> str:
    # a type and no choices: those are not asked of a default, and this one comes from the environment
    if text not in ("auto", "never"):
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is neither auto nor never (MPI_COLLECTOR_REPORT is its default)"
        )
    return text


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """The options that every way of recording has."""
    add = parser.add_argument
    add(
        "--timeseries-interval",
        type=seconds(MIN_INTERVAL_S),
        default=SamplingOptions.interval_s,
        metavar="S",
        help=f"seconds between samples ({SamplingOptions.interval_s:g})",
    )
    add(
        "--max-timeseries-samples",
        type=_count,
        default=SamplingOptions.max_samples,
        metavar="N",
        help=f"rows of the array ({SamplingOptions.max_samples})",
    )
    add(
        "--when-full",
        choices=POLICIES,
        default=SamplingOptions.when_full,
        help="what a full array does (decimate: every other tick)",
    )
    add("--sources", type=_sources, default=SamplingOptions.sources, metavar="LIST",
        help="basic, default, all, or names with commas; processes:PATTERN (mpi_collector sources --help)")  # fmt: skip
    add("--skip-timeseries", action="store_true", help="snapshots at the start and the end only")
    add(
        "--results-dir",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="where the files go (./results)",
    )
    add(
        "--json",
        choices=("auto", "always", "never"),
        default="auto",
        help="write the suite's JSON (auto: up to 2 GB)",
    )
    add("--report", type=_page, default=os.environ.get("MPI_COLLECTOR_REPORT") or "auto", metavar="{auto,never}",
        help="write the page when the report extra is installed (auto; MPI_COLLECTOR_REPORT)")  # fmt: skip
    add(
        "--spool-dir",
        default=SamplingOptions.spool_dir,
        metavar="DIR",
        help=f"tmpfs for the recording while it is made ({SamplingOptions.spool_dir})",
    )
    add("--max-spool-mb", type=_megabytes, default=None, metavar="MB",
        help="limit of the spools on each host, those of dead runs included (half of what is free)")  # fmt: skip
    add("--keep-spools", type=_bound, default=SamplingOptions.keep_spools, metavar="N",
        help="of dead runs that nobody recovered a host keeps the newest N; what goes is said, and over a day old (32, 0: all)"
        )  # fmt: skip
    add(
        "--keep-spool-days",
        type=_bound,
        default=int(SamplingOptions.keep_spool_days),
        metavar="D",
        help="and none that is older than D days (30, 0: for ever)",
    )
    add("--rescue-dir", default=os.environ.get("MPI_COLLECTOR_RESCUE_DIR") or None, metavar="DIR",
        help="where a host's process that loses its launcher sets its recording down once more, for sites that wipe /dev/shm "
             "at logout; recover --rescue-dir reads it (MPI_COLLECTOR_RESCUE_DIR, off)")  # fmt: skip
    add("--replicate", type=seconds(MIN_TIMEOUT_S), default=SamplingOptions.replicate_s, metavar="S",
        help="send new rows to rank 0 or the launcher every S seconds, for hosts that lose power (off)")  # fmt: skip
    add(
        "--start-timeout",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.start_timeout_s,
        metavar="S",
        help=f"wait for the hosts to be sampling ({SamplingOptions.start_timeout_s:g})",
    )
    add(
        "--gather-timeout",
        type=seconds(MIN_TIMEOUT_S),
        default=SamplingOptions.gather_timeout_s,
        metavar="S",
        help=f"wait for a host's table at the end ({SamplingOptions.gather_timeout_s:g})",
    )
    add("--strict", action="store_true",
        help="exit 3 when the recording is incomplete though the job succeeded; of a benchmark verb also 2, before the job, "
             "when a host cannot be recorded")  # fmt: skip
    add("--quiet", action="store_true", help="warnings and errors only")
    add("--verbose", action="store_true", help="say of every host what was found and done")


def sampling_options(args: argparse.Namespace) -> SamplingOptions:
    skip = (
        args.skip_timeseries
    )  # a first and a last row of nothing, for the snapshots that come with them
    return SamplingOptions(
        interval_s=_ONLY_ONCE_S if skip else args.timeseries_interval,
        max_samples=args.max_timeseries_samples,
        when_full=args.when_full,
        sources="none" if skip else args.sources,
        directories=directories_of(args.results_dir, args.command),
        duration_s=getattr(args, "duration", None),
        spool_dir=args.spool_dir,
        max_spool_mb=args.max_spool_mb,
        keep_spools=args.keep_spools,
        keep_spool_days=args.keep_spool_days,
        rescue_dir=os.path.abspath(args.rescue_dir)
        if args.rescue_dir
        else None,  # an agent is somewhere else
        start_timeout_s=args.start_timeout,
        gather_timeout_s=args.gather_timeout,
        replicate_s=args.replicate,
        root=os.environ.get("MPI_COLLECTOR_ROOT", "/"),
    )


def directories_of(results_dir: Path, command: Sequence[str]) -> tuple[str, ...]:
    """The results directory and those that COMMAND names, in a word or behind its = sign: where the data lies, most likely.

    Of a file it is the directory; of what is not here, which may be there on the hosts only, the word as it is.
    """
    found = {str(results_dir.absolute()): None}
    for word in command[1:]:
        name, equals, value = word.partition("=")
        for part in (value,) if equals and not name.startswith("/") else (word,):
            if place := _place(part, bool(equals)):
                found[place] = None
    return tuple(found)[:_DIRECTORIES_MAX]


def _place(part: str, value: bool) -> str | None:
    """The directory that a word means; None when it means none."""
    if not 0 < len(part) < 4096 or "\0" in part or not (value or "/" in part):
        return None
    if os.path.isdir(part):
        return os.path.abspath(part)
    if not part.startswith("/") or (
        os.path.isfile(part) and os.access(part, os.X_OK)
    ):  # a program, or any word
        return None
    above = os.path.dirname(os.path.normpath(part))
    return (
        above
        if os.path.isdir(above) and above != "/"
        else os.path.normpath(part)
        if value
        else None
    )
