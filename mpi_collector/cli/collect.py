"""``collect``: sample the ranks of a launch, or this host."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.teller import say
from mpi_collector.cli.main import QuietParser
from mpi_collector.cli.terminal import Terminal
from mpi_collector.node.rows import POLICIES
from mpi_collector.node.sources import select
from mpi_collector.transport.launcher import Launch, detect
from mpi_collector.transport.options import SamplingOptions

if TYPE_CHECKING:
    from mpi_collector.benchmark.collect import Collection

_EPILOG = """\
examples:
  mpirun -np 4 --hostfile hosts python -m mpi_collector --timeseries-interval 1 --duration 600
  mpirun -np 4 --hostfile hosts python -m mpi_collector -- mpirun -np 64 ./ior -a POSIX
  python -m mpi_collector -- fio job.fio

A run ends with COMMAND, after --duration, on SIGUSR1 to mpirun, Ctrl-C, a line "stop" on stdin (under a launcher and
without COMMAND), or "mpi_collector stop".
"""


_ONLY_ONCE_S = 1e8
_DIRECTORIES_MAX = 16


def _seconds(low: float) -> type:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value < 1e9:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and 1e9 seconds")
        return value

    parse.__name__ = "number of seconds"
    return parse  # type: ignore[return-value]


def _count(text: str) -> int:
    value = int(text)
    if not 2 <= value <= 100_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 2 and 100,000,000")
    return value


def _sources(text: str) -> str:
    try:
        select(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
    return text


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """The options that every way of recording has."""
    add = parser.add_argument
    add("--timeseries-interval", type=_seconds(0.01), default=10.0, metavar="S", help="seconds between samples (10)")
    add("--max-timeseries-samples", type=_count, default=3600, metavar="N", help="rows of the array (3600)")
    add("--when-full", choices=POLICIES, default="decimate", help="what a full array does (decimate: every other tick)")
    add("--sources", type=_sources, default="default", metavar="LIST",
        help="basic, default, all, or names with commas; processes:PATTERN (mpi_collector sources --help)")  # fmt: skip
    add("--skip-timeseries", action="store_true", help="snapshots at the start and the end only")
    add("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="where the files go (./results)")
    add("--json", choices=("auto", "always", "never"), default="auto", help="write the suite's JSON (auto: up to 2 GB)")
    add("--report", choices=("auto", "never"), default=os.environ.get("MPI_COLLECTOR_REPORT", "auto"),
        help="write the page when the report extra is installed (auto; MPI_COLLECTOR_REPORT)")  # fmt: skip
    add("--spool-dir", default="/dev/shm", metavar="DIR", help="tmpfs for the recording while it is made (/dev/shm)")
    add("--max-spool-mb", type=float, default=None, metavar="MB", help="limit of the spool on each host (half of what is free)")
    add("--replicate", type=_seconds(0.1), default=0.0, metavar="S",
        help="send new rows to rank 0 or the launcher every S seconds, for hosts that lose power (off)")  # fmt: skip
    add("--start-timeout", type=_seconds(0.1), default=30.0, metavar="S", help="wait for the hosts to be sampling (30)")
    add("--gather-timeout", type=_seconds(0.1), default=60.0, metavar="S", help="wait for a host's table at the end (60)")
    add("--strict", action="store_true", help="exit 3 when the recording is incomplete though the job succeeded")
    add("--quiet", action="store_true", help="warnings and errors only")
    add("--verbose", action="store_true", help="say of every host what was found and done")


def sampling_options(args: argparse.Namespace) -> SamplingOptions:
    skip = args.skip_timeseries  # a first and a last row of nothing, for the snapshots that come with them
    return SamplingOptions(
        interval_s=_ONLY_ONCE_S if skip else args.timeseries_interval,
        max_samples=args.max_timeseries_samples,
        when_full=args.when_full,
        sources="none" if skip else args.sources,
        directories=directories_of(args.results_dir, args.command),
        duration_s=getattr(args, "duration", None),
        spool_dir=args.spool_dir,
        max_spool_mb=args.max_spool_mb,
        start_timeout_s=args.start_timeout,
        gather_timeout_s=args.gather_timeout,
        replicate_s=args.replicate,
        root=os.environ.get("MPI_COLLECTOR_ROOT", "/"),
    )


def directories_of(results_dir: Path, command: Sequence[str]) -> tuple[str, ...]:
    """The results directory and those that COMMAND names, in a word or behind its = sign: where the data lies, most likely."""
    found = {str(results_dir.absolute()): None}
    for word in command:
        for part in (word, word.partition("=")[2]):
            if part.startswith("/") and len(part) < 4096 and os.path.isdir(part):
                found[os.path.normpath(part)] = None
    return tuple(found)[:_DIRECTORIES_MAX]


def split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(our options, COMMAND) around the first ``--``."""
    words = list(words)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Options and ``command``. Exit 2 with one line on a mistake."""
    options, command = split_command(words)
    parser = QuietParser(prog="mpi_collector collect", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add_sampling_options(parser)
    parser.add_argument("--duration", type=_seconds(0.01), default=None, metavar="S", help="end after so many seconds")
    parser.add_argument("--command-file", type=Path, metavar="FILE", help="COMMAND as one shell-quoted line of a file")
    parser.add_argument("--bridge", action="store_true", help=argparse.SUPPRESS)  # rank 0 is told what to do
    args = parser.parse_args(options)
    if args.command_file is not None:
        if command:
            parser.error("COMMAND given twice, behind -- and in --command-file")
        try:
            command = shlex.split(args.command_file.read_text(), comments=True)
        except (OSError, ValueError) as e:
            parser.error(f"--command-file {args.command_file}: {e}")
        if not command:
            parser.error(f"--command-file {args.command_file}: no command in it")
    args.command = command
    return args


def main(words: Sequence[str]) -> int:
    """The verb. Under a launcher every rank comes here; rank 0 speaks."""
    args = parse(words)
    launch = detect()
    if launch is None:
        return _alone(args)
    return _rank(args, launch)


def _collection(args: argparse.Namespace, launch: Launch | None) -> Collection:
    from mpi_collector.benchmark.collect import Collection, CollectPlan

    plan = CollectPlan(
        sampling_options(args), args.results_dir, args.json, args.command, args.strict, skip_timeseries=args.skip_timeseries,
        report=args.report == "auto",
    )  # fmt: skip
    return Collection(plan, launch, Terminal(args.quiet, args.verbose))


def _alone(args: argparse.Namespace) -> int:
    from mpi_collector.benchmark.recorder import SuiteRecorder
    from mpi_collector.output.files import ResultsError
    from mpi_collector.transport.root import Root

    collection = _collection(args, None)
    try:
        collection.reserve()
    except ResultsError as e:
        say(str(e))
        return 2
    code = collection.record(Root(collection.plan.sampling, collection.run, None, None, SuiteRecorder))
    tell(collection)
    return code


def _rank(args: argparse.Namespace, launch: Launch) -> int:
    from mpi_collector.transport.mpi import World, WrongMPI

    try:
        world = World(launch)
    except WrongMPI as e:
        if launch.rank == 0:
            say(str(e))
        return 2
    try:
        return _member(world) if world.rank else _root(args, launch, world)
    except Exception:  # noqa: BLE001 - one rank that fails must not leave the others waiting
        traceback.print_exc()
        world.abort(1)
        return 1


def _member(world: object) -> int:
    from mpi_collector.benchmark.recorder import SuiteRecorder
    from mpi_collector.transport.member import Member
    from mpi_collector.transport.mpi import World

    assert isinstance(world, World)
    if not Member(world, SuiteRecorder).run():
        os._exit(0)  # the root is gone; Finalize would wait for it
    world.finish(True)
    return 0


def _root(args: argparse.Namespace, launch: Launch, world: object) -> int:
    from mpi_collector.benchmark.recorder import SuiteRecorder
    from mpi_collector.benchmark.stuck import leave_for_good
    from mpi_collector.output.files import ResultsError
    from mpi_collector.transport.mpi import World
    from mpi_collector.transport.root import Root

    assert isinstance(world, World)
    if args.bridge:
        return _bridge(world)
    collection = _collection(args, launch)
    try:
        collection.reserve()
    except ResultsError as e:
        say(str(e))
        if not Root(collection.plan.sampling, "", world).refuse():
            os._exit(2)
        world.finish(True)
        return 2
    code = collection.record(Root(collection.plan.sampling, collection.run, world, None, SuiteRecorder))
    tell(collection)
    if not collection.everybody:
        sys.stdout.flush()
        sys.stderr.flush()
        leave_for_good(code)  # somebody is missing: Finalize would wait for them, and the launcher may
    world.finish(True)
    return code


def _bridge(world: object) -> int:
    from mpi_collector.benchmark.recorder import SuiteRecorder
    from mpi_collector.transport.bridge import Bridge, LauncherGone
    from mpi_collector.transport.mpi import World

    assert isinstance(world, World)
    bridge = Bridge(world, SuiteRecorder)
    try:
        bridge.serve()
    except LauncherGone:
        os._exit(0)
    if not bridge.everybody:
        os._exit(0)
    world.finish(True)
    return 0


def tell(collection: Collection) -> None:
    """The verdict, its reasons and the files, when there is a result."""
    if not collection.result:
        return
    from mpi_collector.benchmark.collect import written
    from mpi_collector.report.verdict import line

    for reason in collection.result["verdict"]["reasons"]:
        collection.teller.say(f"warning: {reason}")
    if not collection.teller.quiet:
        collection.teller.say(line(collection.result))
        for path in written(collection.files):
            say(f"wrote {path}")
        if not collection.plan.skip_timeseries:
            _figures(collection.files.path("timeseries.npz"))


def _figures(path: Path) -> None:
    """What people tabulate by hand, unless there are so many hosts that it would take time."""
    from mpi_collector.report.summary import END_HOSTS, document
    from mpi_collector.report.text import Writer, render
    from mpi_collector.store.recording import load

    try:
        with load(path) as recording:
            if len(recording) <= END_HOSTS:
                render(document(recording), Writer(sys.stderr))
    except Exception as e:  # noqa: BLE001 - the files are safe and the exit code is the job's
        say(f"no figures: {type(e).__name__}: {e}")
