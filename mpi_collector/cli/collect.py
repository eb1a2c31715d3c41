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

from mpi_collector.benchmark.console import print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.cli.sampling import add_sampling_options, sampling_options, seconds
from mpi_collector.cli.terminal import Terminal
from mpi_collector.transport.launch.detect import Launch, detect

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
    parser.add_argument(
        "--duration",
        type=seconds(0.01),
        default=None,
        metavar="S",
        help="end after so many seconds",
    )
    parser.add_argument(
        "--command-file",
        type=Path,
        metavar="FILE",
        help="COMMAND as one shell-quoted line of a file",
    )
    parser.add_argument(
        "--bridge", action="store_true", help=argparse.SUPPRESS
    )  # rank 0 is told what to do
    args = parser.parse_args(options)
    if args.command_file is not None:
        if command:
            parser.error("COMMAND given twice, behind -- and in --command-file")
        try:
            command = shlex.split(args.command_file.read_text(), comments=True)
        except (OSError, ValueError) as e:
            parser.error(
                f"--command-file {args.command_file}: {e.strerror if isinstance(e, OSError) else e}"
            )
        if not command:
            parser.error(f"--command-file {args.command_file}: no command in it")
    elif "--" in words and not command:
        parser.error("no COMMAND behind --")
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
    from mpi_collector.benchmark.suite_recorder import SuiteRecorder
    from mpi_collector.errors import ResultsError
    from mpi_collector.transport.ranks.coordinator import Coordinator

    collection = _collection(args, None)
    try:
        collection.reserve()
    except ResultsError as e:
        print_message(str(e))
        return 2
    root = Coordinator(collection.plan.sampling, collection.run, None, None, SuiteRecorder)
    code = collection.record(lambda: root)
    tell(collection)
    return code


def _rank(args: argparse.Namespace, launch: Launch) -> int:
    from mpi_collector.errors import WrongMPIError
    from mpi_collector.transport.ranks.world import World

    try:
        world = World(launch)
    except WrongMPIError as e:
        if launch.rank == 0:
            print_message(str(e))
        return 2
    try:
        return _member(world) if world.rank else _root(args, launch, world)
    except Exception:  # noqa: BLE001 - one rank that fails must not leave the others waiting
        traceback.print_exc()
        world.abort(1)
        return 1


def _member(world: object) -> int:
    from mpi_collector.benchmark.suite_recorder import SuiteRecorder
    from mpi_collector.transport.ranks.worker import Worker
    from mpi_collector.transport.ranks.world import World

    assert isinstance(world, World)
    if not Worker(world, SuiteRecorder).run():
        os._exit(0)  # the root is gone; Finalize would wait for it
    world.finish(True)
    return 0


def _root(args: argparse.Namespace, launch: Launch, world: object) -> int:
    from mpi_collector.benchmark.launcher_shutdown import exit_and_end_launcher
    from mpi_collector.benchmark.suite_recorder import SuiteRecorder
    from mpi_collector.errors import ResultsError
    from mpi_collector.transport.ranks.coordinator import Coordinator
    from mpi_collector.transport.ranks.world import World

    assert isinstance(world, World)
    if args.bridge:
        return _bridge(world)
    collection = _collection(args, launch)
    try:
        collection.reserve()
    except ResultsError as e:
        print_message(str(e))
        if not Coordinator(collection.plan.sampling, "", world).refuse():
            os._exit(2)
        world.finish(True)
        return 2
    root = Coordinator(collection.plan.sampling, collection.run, world, None, SuiteRecorder)
    code = collection.record(lambda: root)
    tell(collection)
    if not collection.everybody:
        sys.stdout.flush()
        sys.stderr.flush()
        exit_and_end_launcher(
            code, print_message
        )  # somebody is missing: Finalize would wait for them, and the launcher may
    world.finish(True)
    return code


def _bridge(world: object) -> int:
    from mpi_collector.benchmark.suite_recorder import SuiteRecorder
    from mpi_collector.transport.ranks.control_server import ControlServer, LauncherGone
    from mpi_collector.transport.ranks.world import World

    assert isinstance(world, World)
    bridge = ControlServer(world, SuiteRecorder)
    try:
        bridge.serve()
    except LauncherGone:
        pass
    if not bridge.everybody:
        os._exit(0)
    world.finish(True)
    return 0


def tell(collection: Collection) -> None:
    """The verdict, its reasons and the files, when there is a result."""
    if not collection.result:
        return
    from mpi_collector.benchmark.collect import written
    from mpi_collector.formats.verdict import line

    for reason in collection.result["verdict"]["reasons"]:
        collection.console.warn(f"warning: {reason}")
    if not collection.console.quiet:
        collection.console.info(line(collection.result["verdict"]))
        for path in written(collection.files):
            print_message(f"wrote {path}")
        if not collection.plan.skip_timeseries:
            _figures(collection.files.path("timeseries.npz"))


def _figures(path: Path) -> None:
    """What people tabulate by hand, unless there are so many hosts that it would take time."""
    from mpi_collector.report.summary import END_HOSTS, document
    from mpi_collector.report.text import TextWriter, render
    from mpi_collector.store.load import load

    try:
        with load(path) as recording:
            if len(recording) <= END_HOSTS:
                render(document(recording), TextWriter(sys.stderr))
    except Exception as e:  # noqa: BLE001 - the files are safe and the exit code is the job's
        print_message(f"no figures: {type(e).__name__}: {e}")
