"""``summary``: the verdict and the figures of a recording."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.cli.parser import QuietParser


def main(words: Sequence[str]) -> int:
    """0, or 2 when there is no readable recording."""
    parser = QuietParser(prog="mpi_collector summary", description=__doc__, allow_abbrev=False,
                         epilog="examples:\n  mpi_collector summary results\n  mpi_collector summary run.npz --json",
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path("results"),
        help="recording, or a results directory",
    )
    parser.add_argument("--json", action="store_true", help="for scripts, on stdout")
    args = parser.parse_args(words)
    from mpi_collector.errors import RecordingError
    from mpi_collector.report.summary import document, print_summary
    from mpi_collector.store.load import load

    try:
        with load(args.path) as recording:
            if args.json:
                json.dump(document(recording), sys.stdout, indent=1, allow_nan=False)
                print()
            else:
                print_summary(recording, sys.stdout, most_hosts=None)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # "summary | head": nothing to complain about
    except (RecordingError, OSError) as e:
        print_message(error_text(e))
        return 2
    return 0
