"""``compare``: runs of A against runs of B, for people and for CI."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK, RULE_HOLDS, UNDECIDED
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import (
    Mistake,
    explain_errors,
    needs_page_extra,
    new_file,
    refuse_other_than_html,
    standard_output,
)
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

if TYPE_CHECKING:
    from mpi_collector.report.compared import Comparison
    from mpi_collector.report.rules import Rule
    from mpi_collector.store.recording import Recording

_EPILOG = """\
examples:
  mpi_collector compare before/ after/
  mpi_collector compare a.npz b.npz --align "epoch 2"
  mpi_collector compare a1.npz a2.npz a3.npz -- b1.npz b2.npz b3.npz
  mpi_collector compare --history results               # the newest run against those before it
  mpi_collector compare baseline/*.npz -- results \\
      --fail-if "read_bytes_per_s < 0.95" --fail-if "checkpoint 3: duration_s > 1.2"

A rule compares a number with a ratio: a figure's mean in B divided by its mean in A, all hosts
together, of the whole run or of a phase. It holds (exit code 1) when it does for all that the ratio
may be in spite of noise, and is undecided (exit code 2) when it does for a part of that; the
message says how many more runs decide. Undecided is also what cannot be compared: a partial
recording, a command that failed, runs of very different length, other hosts; --allow says which of
these do not matter. docs/compare.md has the method. Recordings of the suite's own collector
(*_timeseries.json) can be compared, too.
"""
_WHOLE_RUN = "start"  #: value of --align that compares the whole runs
_HISTORY_MAX = 20  #: runs of --history


@explain_errors
def main(words: Sequence[str]) -> int:
    """Compare recordings and print the result.

    With --fail-if return UNDECIDED when they cannot be compared, else RULE_HOLDS when a rule holds,
    else UNDECIDED when one cannot be decided. In all other cases OK.
    """
    args = _parse(words)
    if args.output is not None:
        refuse_other_than_html(args.output)
    from mpi_collector.report.noise import CONFIDENCE
    from mpi_collector.report.rules import parse_rule

    try:
        rules = [parse_rule(text) for text in args.fail_if]
    except ValueError as e:
        raise Mistake(str(e)) from e
    # of several rules none may give a false alarm
    confidence = 1 - (1 - CONFIDENCE) / max(len(rules), 1)
    found = _compare(args, confidence)
    from mpi_collector.report.compare_text import text_lines

    with standard_output() as out:
        if args.json:
            text = json.dumps(found.to_json(), indent=1, allow_nan=False)
        else:
            text = safe_text("\n".join(text_lines(found)), keep=LINE_CHARACTERS)
        print(text, file=out)
    return _exit_code(found, rules, args.allow)


def _compare(args: argparse.Namespace, confidence: float) -> Comparison:
    """Return the comparison; the page is written where one was asked for."""
    from mpi_collector.report.compare import compare
    from mpi_collector.store.load import load

    with ExitStack() as stack:
        if args.history is not None:
            sides = _history(args, stack)
        else:
            runs = [stack.enter_context(load(path)) for path in (*args.a, *args.b)]
            parts = [_part(run, args.align) for run in runs]
            sides = parts[: len(args.a)], parts[len(args.a) :]
        found = compare(*sides, confidence=confidence)
        if args.output is not None:
            if len(found.runs) > 2:
                raise Mistake("a page (-o) shows one run of A and one of B")
            _write_page(sides[0][0], sides[1][0], args.align, args.output)
    return found


def _history(args: argparse.Namespace, stack: ExitStack) -> tuple[list[Recording], list[Recording]]:
    """Return the runs of a directory before B, and B: the one that was named, or the newest."""
    from mpi_collector.errors import RecordingError
    from mpi_collector.store.load import load, recordings_in

    newest = args.b[0] if args.b else args.history
    b = stack.enter_context(load(newest))
    before = []
    for path in recordings_in(args.history, 4 * _HISTORY_MAX):
        try:
            run = stack.enter_context(load(path))
        except RecordingError as e:
            print_message(f"left out: {e}")
            continue
        if run.run["start_ns"] < b.run["start_ns"] and run.run["benchmark"] == b.run["benchmark"]:
            before.append(run)
    if not before:
        raise Mistake(
            f"{args.history} has no recording of {b.run['benchmark']} from before {b.path}"
        )
    before.sort(key=lambda run: run.run["start_ns"])
    return [_part(r, args.align) for r in before[-_HISTORY_MAX:]], [_part(b, args.align)]


def _exit_code(found: Comparison, rules: Sequence[Rule], allowed: Sequence[str]) -> int:
    """Print what the rules say and what speaks against a comparison, and return the exit code."""
    from mpi_collector.report.rules import judge

    if not rules:
        return OK  # nothing is to be decided
    results = judge(found, rules, ignore_noise="noise" in allowed)
    doubts = [doubt for doubt in found.doubts if doubt.kind not in allowed]
    for text in (*results.failed, *results.undecided):
        print_message(text)
    for doubt in doubts:
        print_message(f"undecided: {doubt.text} (--allow {doubt.kind})")
    if doubts:
        return UNDECIDED
    if results.failed:
        return RULE_HOLDS
    return UNDECIDED if results.undecided else OK


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments, with the runs in ``a`` and ``b``."""
    parser = _make_parser()
    at = list(words).index("--") if "--" in words else len(words)
    args = parser.parse_intermixed_args(list(words[:at]))
    before = args.runs
    del args.runs
    args = parser.parse_args(list(words[at + 1 :]), args)
    behind = args.runs
    args.allow = list(_allowed(args.allow, parser))
    if args.history is not None:
        args.a, args.b = [], [*before, *behind]
        if len(args.b) > 1:
            parser.error("--history DIR takes at most one run, B")
        return args
    if at == len(words) and len(before) == 2:
        before, behind = before[:1], before[1:]
    elif at == len(words) and len(before) > 2:
        parser.error("of more than two runs, -- stands between those of A and those of B")
    if not before or not behind:
        parser.error("A and B are needed: two runs, or A1 A2 ... -- B1 B2 ...")
    args.a, args.b = before, behind
    return args


def _allowed(texts: Sequence[str], parser: argparse.ArgumentParser) -> Iterator[str]:
    from mpi_collector.report.comparable import ALLOWED

    for word in (word.strip() for text in texts for word in text.split(",")):
        if word not in (*ALLOWED, "all"):
            parser.error(f"--allow {word}: it is one of {', '.join(ALLOWED)}, all")
        yield from (kind for kind in ALLOWED if kind != "noise") if word == "all" else [word]


def _make_parser() -> argparse.ArgumentParser:
    parser = make_parser("compare", __doc__, _EPILOG)
    add = parser.add_argument
    add(
        "runs",
        type=Path,
        nargs="*",
        metavar="RUN",
        help="recordings or results directories: A and B, or A1 A2 ... -- B1 B2 ...",
    )
    add(
        "--history",
        type=Path,
        metavar="DIR",
        help=f"A is the runs in DIR from before B, at most {_HISTORY_MAX}; B by default the newest",
    )
    add(
        "--align",
        default=_WHOLE_RUN,
        metavar="MARK",
        help="compare this phase only, or what comes after this moment (start: the whole runs)",
    )
    add(
        "--fail-if", action="append", default=[], metavar="RULE", help="exit code 1 when RULE holds"
    )
    add(
        "--allow",
        action="append",
        default=[],
        metavar="WHAT",
        help="compare all the same: partial, failed, length, hosts, or all of these; "
        "noise: rules look at the ratio alone",
    )
    add("--json", action="store_true", help="for scripts, on stdout")
    page = "a page with both on the same axes; never overwritten"
    add("-o", "--output", type=Path, metavar="FILE", help=page)
    return parser


def _part(recording: Recording, mark: str) -> Recording:
    """Return the part of a recording that --align asks for; Mistake when it has no such mark."""
    from mpi_collector.report.compare import align

    if mark == _WHOLE_RUN:
        return recording
    try:
        return align(recording, mark)
    except KeyError as e:
        raise Mistake(str(e.args[0])) from e


def _write_page(a: Recording, b: Recording, mark: str, target: Path) -> None:
    """Write the page of both recordings; Mistake when ``target`` exists or Jinja2 is missing."""
    from mpi_collector.output.new_file import create

    with needs_page_extra():
        from mpi_collector.report.page.comparison import comparison_page

        text = comparison_page(a, b, since="the start" if mark == _WHOLE_RUN else mark)
    with new_file(target), create(target) as f:
        f.write(text.encode("utf-8", "backslashreplace"))
