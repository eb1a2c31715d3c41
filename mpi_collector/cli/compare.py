"""``compare``: two recordings side by side, for people and for CI."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

if TYPE_CHECKING:
    from mpi_collector.store.recording import Recording

_EPILOG = """\
examples:
  mpi_collector compare before/ after/
  mpi_collector compare a.npz b.npz --align "epoch 2"
  mpi_collector compare baseline.npz results --fail-if "read_bytes_per_s < 0.95" --fail-if "read_latency_ms > 1.2"

A rule is about B / A of the mean over all hosts. One that cannot be decided, since A or B does not know the figure, makes the
exit code 2. Recordings of the suite's own collector (*_timeseries.json) are read, too.
"""


def main(words: Sequence[str]) -> int:
    """0; 1 when a --fail-if holds; 2 for a mistake, an unreadable recording, or a --fail-if that cannot be decided."""
    parser = QuietParser(prog="mpi_collector compare", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("a", type=Path, help="recording or results directory")
    parser.add_argument("b", type=Path, help="the one to hold against it")
    parser.add_argument("--align", default="start", metavar="MARK",
                        help="compare this phase only, or what comes after this moment (start: the whole runs)")  # fmt: skip
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="RULE", help="exit code 1 when it holds"
    )
    parser.add_argument("--json", action="store_true", help="for scripts, on stdout")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a page with both on the same axes; never overwritten",
    )
    args = parser.parse_args(words)
    from mpi_collector.errors import RecordingError
    from mpi_collector.report.compare import (
        align,
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
            pair = (a, b) if args.align == "start" else (align(a, args.align), align(b, args.align))
            found = compare(*pair)
            if args.output is not None:
                _write_page(pair, args.align, args.output)
    except FileExistsError:
        print_message(f"{args.output} exists already; choose another with -o")
        return 2
    except ImportError as e:
        print_message(f"the page needs Bokeh ({e}): pip install 'mpi-collector[report]'")
        return 2
    except (RecordingError, OSError, ValueError, KeyError) as e:
        print_message(str(e.args[0]) if isinstance(e, KeyError) else error_text(e))
        return 2
    print(
        json.dumps(found, indent=1, allow_nan=False)
        if args.json
        else safe_text("\n".join(text_lines(found)), keep=LINE_CHARACTERS)
    )
    held, open_ = failed_rules(found, rules), undecidable_rules(found, rules)
    for text in (*held, *open_):
        print_message(text)
    return 1 if held else 2 if open_ else 0


def _write_page(pair: tuple[Recording, Recording], align: str, target: Path) -> None:
    from mpi_collector.output.files import create
    from mpi_collector.report.page.comparison import comparison_page

    text = comparison_page(*pair, since="the start" if align == "start" else align)
    with create(target) as f:
        f.write(text.encode("utf-8", "backslashreplace"))
    print_message(f"wrote {target}")
