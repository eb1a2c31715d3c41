"""``compare``: two recordings side by side, for people and for CI."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK, RULE_HOLDS, UNDECIDED
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import (
    Mistake,
    explain_errors,
    needs_bokeh,
    new_file,
    standard_output,
)
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

if TYPE_CHECKING:
    from mpi_collector.store.recording import Recording

_EPILOG = """\
examples:
  mpi_collector compare before/ after/
  mpi_collector compare a.npz b.npz --align "epoch 2"
  mpi_collector compare baseline.npz results \\
      --fail-if "read_bytes_per_s < 0.95" --fail-if "read_latency_ms > 1.2"

A rule compares a number with a ratio: a figure's mean in B divided by its mean in A, all hosts
together. If A or B lacks the figure, the rule cannot be decided and the exit code is 2. Recordings
of the suite's own collector (*_timeseries.json) can be compared, too.
"""
_WHOLE_RUN = "start"  #: value of --align that compares the whole runs


@explain_errors
def main(words: Sequence[str]) -> int:
    """Compare two recordings and print the result.

    Return RULE_HOLDS when a --fail-if holds, else UNDECIDED when one cannot be decided, else OK.
    """
    args = _make_parser().parse_args(words)
    from mpi_collector.report.compare import (
        compare,
        failed_rules,
        parse_rule,
        text_lines,
        undecidable_rules,
    )
    from mpi_collector.store.load import load

    try:
        rules = [parse_rule(text) for text in args.fail_if]
        with load(args.a) as a, load(args.b) as b:
            a_part, b_part = _part(a, args.align), _part(b, args.align)
            found = compare(a_part, b_part)
            if args.output is not None:
                _write_page(a_part, b_part, args.align, args.output)
    except ValueError as e:
        raise Mistake(str(e)) from e
    with standard_output() as out:
        if args.json:
            text = json.dumps(found, indent=1, allow_nan=False)
        else:
            text = safe_text("\n".join(text_lines(found)), keep=LINE_CHARACTERS)
        print(text, file=out)
    failed, undecided = failed_rules(found, rules), undecidable_rules(found, rules)
    for text in (*failed, *undecided):
        print_message(text)
    if failed:
        return RULE_HOLDS
    return UNDECIDED if undecided else OK


def _make_parser() -> argparse.ArgumentParser:
    parser = make_parser("compare", __doc__, _EPILOG)
    add = parser.add_argument
    add("a", type=Path, help="A: recording or results directory")
    add("b", type=Path, help="B: the one to compare with A")
    add(
        "--align",
        default=_WHOLE_RUN,
        metavar="MARK",
        help="compare this phase only, or what comes after this moment (start: the whole runs)",
    )
    add(
        "--fail-if", action="append", default=[], metavar="RULE", help="exit code 1 when RULE holds"
    )
    add("--json", action="store_true", help="for scripts, on stdout")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a page with both on the same axes; never overwritten",
    )
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
    """Write the page of both recordings; Mistake when ``target`` exists or Bokeh is missing."""
    from mpi_collector.output.files import create

    with needs_bokeh():
        from mpi_collector.report.page.comparison import comparison_page

        text = comparison_page(a, b, since="the start" if mark == _WHOLE_RUN else mark)
    with new_file(target), create(target) as f:
        f.write(text.encode("utf-8", "backslashreplace"))
