"""``collect``: sample the ranks of a launch, or this host."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import MISTAKE, OK
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.recorded_job import RecordedJob
from mpi_collector.cli.argument_types import seconds
from mpi_collector.cli.options import add_recording_options
from mpi_collector.cli.outer_wall import record_or_run, run_unrecorded
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.rank_process import RankResult, run_rank, run_worker
from mpi_collector.cli.run_summary import end_run
from mpi_collector.cli.sampling import sampling_options
from mpi_collector.cli.terminal import Terminal
from mpi_collector.errors import ResultsError
from mpi_collector.node.options import MIN_INTERVAL_S, SamplingOptions
from mpi_collector.transport.launch.detect import Launch, detect
from mpi_collector.transport.one_thread import import_numpy

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.coordinator import Coordinator
    from mpi_collector.transport.ranks.world import World

_EPILOG = """\
examples:
  mpirun -np 4 --hostfile hosts python -m mpi_collector --timeseries-interval 1 --duration 600
  mpirun -np 4 --hostfile hosts python -m mpi_collector -- mpirun -np 64 ./ior -a POSIX
  python -m mpi_collector -- fio job.fio

A run ends with COMMAND, after --duration, on SIGUSR1 to mpirun, on Ctrl-C, on a line "stop" on
stdin (under a launcher, without COMMAND), or with "mpi_collector stop".
"""


def split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options and COMMAND: what stands before and behind the first ``--``."""
    words = list(words)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return options and ``command``; exits with MISTAKE and one line on a mistake."""
    options, command = split_command(words)
    parser = make_parser("collect", __doc__, _EPILOG)
    add_recording_options(parser)
    parser.add_argument(
        "--duration",
        type=seconds(MIN_INTERVAL_S),
        default=SamplingOptions.duration_s,
        metavar="S",
        help="end after S seconds",
    )
    parser.add_argument(
        "--command-file",
        type=Path,
        metavar="FILE",
        help="read COMMAND from FILE, as one shell-quoted line",
    )
    # of the life cycle's own launch: rank 0 takes orders on stdin
    parser.add_argument("--bridge", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(options)
    if args.command_file is not None:
        if command:
            parser.error("COMMAND is given twice, after -- and in --command-file")
        command = _read_command(parser, args.command_file)
    elif "--" in words and not command:
        parser.error("no COMMAND after --")
    args.command = command
    return args


def _read_command(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """Return the words of --command-file."""
    try:
        command = shlex.split(path.read_text(), comments=True)
    except OSError as e:
        parser.error(f"--command-file {path}: {e.strerror}")
    except ValueError as e:
        parser.error(f"--command-file {path}: {e}")
    if not command:
        parser.error(f"--command-file {path}: no command in it")
    return command


def main(words: Sequence[str]) -> int:
    """Record, and return COMMAND's exit code. Under a launcher every rank comes here."""
    args = parse(words)
    launch = detect()
    if launch is None:
        return _record_this_host(args)

    def without_mpi(error: Exception) -> int:
        return run_unrecorded(args.command, args.strict, error, launch)

    part = partial(_run_part, args, launch)
    return run_rank(launch, part, without_mpi if args.command else None)


def _plan(args: argparse.Namespace) -> CollectPlan:
    return CollectPlan(
        sampling_options(args),
        results_dir=args.results_dir,
        json=args.json,
        shards=args.shards,
        command=args.command,
        live_asked_s=args.live,
        strict=args.strict,
        skip_timeseries=args.skip_timeseries,
        report=args.report == "auto",
    )


def _record_this_host(args: argparse.Namespace) -> int:
    """Record without a launcher."""
    try:
        return record_or_run(args.command, args.strict, lambda: _record(args, None, None)[0])
    except ResultsError as e:
        print_message(str(e))
        return MISTAKE


def _record(
    args: argparse.Namespace, launch: Launch | None, world: World | None
) -> tuple[int, bool | None]:
    """Record this host or all ranks; return the exit code, and whether all ranks are there.

    None where they were not told that it is over.
    ResultsError, or any other exception as long as COMMAND has not started.
    """
    collection, coordinator = _prepare(args, world)
    code = RecordedJob(collection, launch).run(lambda: coordinator)
    end_run(collection)
    return code, collection.all_present


def _prepare(args: argparse.Namespace, world: World | None) -> tuple[Collection, Coordinator]:
    """Reserve the names of a run and make what records it. ResultsError."""
    import_numpy()
    from mpi_collector.benchmark.recorder_choice import recorder_of_this_host
    from mpi_collector.transport.ranks.coordinator import Coordinator

    plan = _plan(args)
    collection = Collection.reserve(plan, Terminal(args.quiet, args.verbose))
    return collection, Coordinator(
        plan.sampling, collection.run, world, None, recorder_of_this_host()
    )


def _run_part(args: argparse.Namespace, launch: Launch, world: World) -> RankResult:
    """Do this rank's part: rank 0 records or serves the life cycle, the others serve rank 0."""
    if world.rank == 0 and not args.bridge:
        return _coordinate(args, launch, world)
    import_numpy()
    from mpi_collector.benchmark.recorder_choice import recorder_of_this_host

    if world.rank:
        return run_worker(world, recorder_of_this_host())
    return _serve_control_client(world)


def _coordinate(args: argparse.Namespace, launch: Launch, world: World) -> RankResult:
    """Record all ranks as rank 0."""
    all_present: bool | None = None  # None: the ranks do not know that it is over

    def record() -> int:
        nonlocal all_present
        code, all_present = _record(args, launch, world)
        return code

    try:
        code = record_or_run(args.command, args.strict, record, launch)
    except ResultsError as e:
        print_message(str(e))
        code = MISTAKE
    if all_present is None:
        all_present = _release_ranks(args, world)
    return RankResult(code, all_present, end_launcher=True)


def _release_ranks(args: argparse.Namespace, world: World) -> bool:
    """Let the other ranks go; their spools stay. Return whether all of them are there."""
    try:
        from mpi_collector.transport.ranks.release import refuse

        return refuse(sampling_options(args), world)
    except Exception as e:  # noqa: BLE001 - what kept us from recording may do so here, too
        print_message(f"warning: {type(e).__name__}: {e}")
        return False


def _serve_control_client(world: World) -> RankResult:
    """Do as rank 0 what the launch node's process asks for, until it is gone."""
    from mpi_collector.benchmark.recorder_choice import recorder_of_this_host
    from mpi_collector.transport.ranks.control_server import ControlServer
    from mpi_collector.transport.ranks.control_service import LauncherGone

    server = ControlServer(world, recorder_of_this_host())
    try:
        server.serve()
    except LauncherGone:
        pass
    return RankResult(OK, server.everybody)
