"""``top``: the figures of a run while it is recorded."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import Mistake, explain_errors, standard_output
from mpi_collector.cli.running import FoundRun, add_directory_options, find_one_run
from mpi_collector.node.compat import mono_ns

_EPILOG = """\
examples:
  mpi_collector top                                  # the only active run
  mpi_collector top --results-dir /shared/results    # from any host that sees its results
  mpi_collector top --once --json                    # for scripts

Start the run with --live SECONDS; of a run without it only the status is shown.
Keys: arrows and Page keys move, s or > and < change the figure that hosts are sorted by, r
reverses, Enter shows one host, Esc goes back, h lists the keys, q leaves.
"""
_ASK_S = 5.0
_RETRY_S = 0.25


@explain_errors
def main(words: Sequence[str]) -> int:
    """Show the figures; MISTAKE when there is no such run, or it does not answer."""
    parser = make_parser("top", __doc__, _EPILOG)
    parser.add_argument("run", nargs="?", default="", help="name of the run, or a prefix of it")
    add_directory_options(parser)
    parser.add_argument("--once", action="store_true", help="print the figures once, and end")
    parser.add_argument("--json", action="store_true", help="with --once: for scripts, on stdout")
    args = parser.parse_args(words)
    if args.json and not args.once:
        parser.error("--json goes with --once")
    if not args.once and not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.error("no terminal; --once prints the figures once")
    run = find_one_run(args)
    first = _ask(run)
    if args.once:
        _print_once(args, first)
        return OK
    from mpi_collector.cli.top_screen import show

    show(lambda: run.live(_ASK_S), first)
    return OK


def _ask(run: FoundRun) -> dict[str, Any]:
    until_ns = mono_ns() + int(_ASK_S * 1e9)
    while (found := run.live(_ASK_S)) is None and mono_ns() < until_ns:
        time.sleep(_RETRY_S)  # a run that is about to start has no door yet
    if found is None:
        raise Mistake(
            f"{run.name} does not answer: it has ended, or its host is out of reach from here"
        )
    return found


def _print_once(args: argparse.Namespace, document: dict[str, Any]) -> None:
    with standard_output() as out:
        if args.json:
            json.dump(document, out, indent=1, allow_nan=False)
            print(file=out)
            return
        from rich.console import Console

        from mpi_collector.cli.top_screen import View, render

        console = Console(file=out, highlight=False)
        console.print(render(document, View(), console.width, len(document["by_host"]) + 40))
