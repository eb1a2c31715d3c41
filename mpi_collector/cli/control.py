"""``stop`` and ``mark``: a word to a run from another shell."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.environment import RUN_VARIABLE
from mpi_collector.cli.parser import QuietParser
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.output.files import RUN_SUFFIX, may_be_locked

_MARK_EPILOG = """\
examples:
  mpi_collector mark "checkpoint 3"                    # a moment of the only run that is on, or of the one that runs COMMAND
  mpi_collector mark --begin "epoch 1"; ...; mpi_collector mark --end "epoch 1"

On a recorded host a mark has the accuracy of the recording. Elsewhere --results-dir must be seen from there, and the wall
clock of that host is what counts.
"""

_EPILOG = """\
examples:
  mpi_collector stop                                   # the only run that is on
  mpi_collector stop host_20260105_120000 --results-dir /shared/results
"""


_RESULTS = Path("results")


def find_runs(results_dir: Path, spool_dir: Path) -> dict[str, list[Path]]:
    """{run name: [files to make to stop it]} of the runs that can be seen from here; one beside a spool comes last."""
    found: dict[str, list[Path]] = {}
    alive: set[str] = set()
    for marker in sorted(results_dir.glob(f".mpi_collector_*{RUN_SUFFIX}")):
        try:
            run = (
                str(json.loads(marker.read_text())["run"]) if marker.is_file() else ""
            )  # a pipe would keep us waiting
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if not run:
            continue
        found.setdefault(run, []).append(
            marker.with_name(marker.name[: -len(RUN_SUFFIX)] + ".stop")
        )
        if may_be_locked(marker):
            alive.add(run)
    for directory in RunDirectory.all_in(str(spool_dir)):
        found.setdefault(directory.run, []).append(Path(directory.stop_path))
        if any(may_be_locked(Path(directory.spool_path(key))) for key in directory.spool_names()):
            alive.add(directory.run)
    # what died left its marker; but if nothing seems alive, the locks may not be seen from here
    return {run: requests for run, requests in found.items() if run in alive or not alive}


def _one_run(args: argparse.Namespace) -> tuple[str, list[Path]] | None:
    """The run that is meant; None, and a word about it, when that is not clear."""
    found = find_runs(args.results_dir or _RESULTS, args.spool_dir)
    runs = {r: f for r, f in found.items() if r.startswith(args.run)}
    if (
        args.results_dir is not None
    ):  # whose it is, if it is anybody's; a directory that is only seen elsewhere names none
        runs = {
            r: f for r, f in runs.items() if any(w.parent == args.results_dir for w in f)
        } or runs
    mine = os.environ.get(RUN_VARIABLE, "")
    if not args.run and mine in runs:  # we are inside its COMMAND
        runs = {mine: runs[mine]}
    if len(runs) != 1:
        what = (
            f"several runs match: {', '.join(runs)}; name one"
            if runs
            else "no such run; is --results-dir right?"
        )
        print_message(what)
        return None
    return next(iter(runs.items()))


def _add_directories(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="where it writes to (./results)",
    )
    parser.add_argument(
        "--spool-dir",
        type=Path,
        default=Path(SamplingOptions.spool_dir),
        metavar="DIR",
        help="where it spools to",
    )


def stop(words: Sequence[str]) -> int:
    """Ask a run to stop; 0 when the request was left, 2 when there is no such run or several."""
    parser = QuietParser(prog="mpi_collector stop", description="End a run from another shell.", epilog=_EPILOG,
                         allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("run", nargs="?", default="", help="name of the run, or its beginning")
    _add_directories(parser)
    found = _one_run(parser.parse_args(words))
    if found is None:
        return 2
    run, requests = found
    left = 0
    for request in requests:
        try:
            os.close(os.open(request, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            left += 1
        except OSError as e:
            print_message(f"cannot make {request}: {e.strerror}")
    if left:
        print_message(f"asked {run} to stop")
    return 0 if left else 2


def mark(words: Sequence[str]) -> int:
    """Leave a mark in a run; 0 when it is left, 2 when there is no such run or several, or it is none."""
    parser = QuietParser(prog="mpi_collector mark", description="Mark a moment, or the begin or end of a phase, of a run.",
                         epilog=_MARK_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "run", nargs="?", default="", help="name of the run, or its beginning; none: the only one"
    )
    parser.add_argument("text", help="what it is: up to 200 characters")
    edge = parser.add_mutually_exclusive_group()
    edge.add_argument(
        "--begin",
        dest="edge",
        action="store_const",
        const="begin",
        help="a phase of this name begins",
    )
    edge.add_argument("--end", dest="edge", action="store_const", const="end", help="it ends")
    _add_directories(parser)
    args = parser.parse_args(words)
    try:
        made = marks.make(args.text, args.edge or "point")
    except ValueError as e:
        parser.error(str(e))
    found = _one_run(args)
    if found is None:
        return 2
    request = found[1][-1]  # in the run's spool directory, if this host has one
    directory = RunDirectory.of_spool(str(request))
    in_spool_directory = str(request) == directory.stop_path
    path = Path(directory.marks_path) if in_spool_directory else request.with_suffix(".marks")
    try:
        marks.append(str(path), made)
    except OSError as e:
        print_message(f"cannot write {path}: {e.strerror}")
        return 2
    return 0
