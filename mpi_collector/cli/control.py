"""``stop`` and ``mark``: reach a run from another shell."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import MISTAKE, OK
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.cli.mark_from import mark_from
from mpi_collector.cli.moment import parse_moment, utc_text
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import Mistake, explain_errors
from mpi_collector.cli.running import add_directory_options, find_one_run
from mpi_collector.node.regular_file import open_own
from mpi_collector.node.spool import marks

_MARK_EPILOG = """\
examples:
  mpi_collector mark "checkpoint 3"       # of the only active run; inside COMMAND of its own
  mpi_collector mark --begin "epoch 1"; ...; mpi_collector mark --end "epoch 1"
  mpi_collector mark --at 2026-01-05T12:03:20Z results "cache warm"      # in a finished recording
  mpi_collector mark --at +12.5 --begin run.npz "reading"                # 12.5 s after its start
  mpi_collector mark --from fio.json results                             # the phases fio reports

On a recorded host a mark has the accuracy of the recording. On another host --results-dir must be
visible, and the time of the mark is that host's wall clock. Marks with --at are kept beside the
recording, in ..._marks.json.
"""
_STOP_EPILOG = """\
examples:
  mpi_collector stop                                   # the only active run
  mpi_collector stop host_20260105_120000 --results-dir /shared/results
"""
_STOP_RING_S = 2.0
_MARK_RING_S = 0.2  #: it may be COMMAND that waits; the status line is all that is late otherwise
_EDGE_NS = 10**9  #: a moment that is so far outside of a recording is at its edge


@explain_errors
def stop(words: Sequence[str]) -> int:
    """Ask a run to stop; MISTAKE when that is none or several, or no request could be made."""
    parser = make_parser("stop", "End a run from another shell.", _STOP_EPILOG)
    parser.add_argument("run", nargs="?", default="", help="name of the run, or a prefix of it")
    add_directory_options(parser)
    run = find_one_run(parser.parse_args(words))
    if run.in_program:
        raise Mistake(
            f"{run.name} is recorded by a Python program and cannot be stopped from outside: "
            "it ends when the program leaves its block mpi_collector.collect()"
        )
    made = 0
    for request in run.stop_requests:
        try:
            os.close(open_own(request, os.O_WRONLY | os.O_CREAT))
            made += 1
        except OSError as e:
            print_message(f"cannot make {request}: {e.strerror}")
    if not made:
        return MISTAKE
    heard = run.ring(_STOP_RING_S)
    later = "" if heard else "; it could not be told directly and will look within 10 s"
    print_message(f"asked {run.name} to stop{later}")
    return OK


@explain_errors
def mark(words: Sequence[str]) -> int:
    """Write a mark into a run; MISTAKE when that is none or several, or the mark is not valid."""
    parser = _mark_parser()
    args = parser.parse_args(words)
    if args.text is None:  # one word: the text, or with --from the recording
        args.run, args.text = "", args.run
    if args.report is not None:
        if args.run or args.at or args.edge:
            parser.error("--from takes a recording and nothing else: its file has texts and times")
        recording = args.text or args.results_dir or CollectPlan.results_dir
        return mark_from(args.report, Path(recording))
    try:
        made = marks.make(args.text, args.edge or "point")
    except ValueError as e:
        parser.error(str(e))
    if args.at is not None:
        return _mark_recording(args)
    run = find_one_run(args, living=True)
    path = run.marks_file
    try:
        marks.append(str(path), made)
    except OSError as e:
        raise Mistake(f"the mark is lost: cannot write {path}: {e.strerror}") from e
    except marks.MarksFullError as e:
        raise Mistake(f"the mark is lost: {e}") from e
    run.ring(_MARK_RING_S)
    return OK


def _mark_parser() -> argparse.ArgumentParser:
    description = "Mark a moment of a run, or the beginning or end of a phase."
    parser = make_parser("mark", description, _MARK_EPILOG)
    parser.add_argument(
        "run",
        nargs="?",
        default="",
        help="name of the run, or a prefix of it; none: the only one. "
        "With --at: the recording, a file or a directory",
    )
    parser.add_argument("text", nargs="?", help="text of the mark, up to 200 characters")
    edge = parser.add_mutually_exclusive_group()
    for name, text in (("begin", "a phase of this name begins"), ("end", "the phase ends")):
        edge.add_argument(f"--{name}", dest="edge", action="store_const", const=name, help=text)
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="mark a finished recording: 2026-01-05T12:03:20Z, 2026-01-05T13:03:20+01:00, or "
        "+SECONDS from its start",
    )
    parser.add_argument(
        "--from",
        dest="report",
        type=Path,
        metavar="FILE",
        help="mark the phases that a benchmark program reports (fio, elbencho, IOR, mdtest, DLIO) "
        "in a finished recording, and print its rates beside those of the hosts",
    )
    add_directory_options(parser)
    return parser


def _mark_recording(args: argparse.Namespace) -> int:
    """Add a mark to a finished recording."""
    from mpi_collector.formats.later_marks import later_mark
    from mpi_collector.output.later_marks import add_later_marks
    from mpi_collector.store.load import load

    with load(args.run or args.results_dir or CollectPlan.results_dir) as recording:
        path, start_ns, end_ns = recording.path, recording.run["start_ns"], recording.run["end_ns"]
    try:
        at_ns = parse_moment(args.at, start_ns)
    except ValueError as e:
        raise Mistake(str(e)) from e
    if not start_ns - _EDGE_NS <= at_ns <= end_ns + _EDGE_NS:
        since, until = (utc_text(t) for t in (start_ns, end_ns))
        raise Mistake(
            f"{args.at} is outside of {path}, which was recorded from {since} to {until}, "
            f"{(end_ns - start_ns) / 1e9:.1f} s"
        )
    found = later_mark(args.text, args.edge or "point", min(max(at_ns, start_ns), end_ns))
    print_message(f"marked in {add_later_marks(path, [found])}")
    return OK
