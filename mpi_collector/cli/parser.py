"""The argument parser of all verbs."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text
from mpi_collector.transport.launch.detect import may_print


class QuietParser(argparse.ArgumentParser):
    """A parser that exits with MISTAKE on every rank of a launch and prints on one only."""

    def error(self, message: str) -> NoReturn:
        if may_print():
            print(
                f"mpi_collector: {safe_text(message, keep=LINE_CHARACTERS)}; "
                f"see {self.prog} --help",
                file=sys.stderr,
            )
        sys.exit(MISTAKE)

    def print_help(self, file: object = None) -> None:
        if may_print():
            super().print_help(file)  # type: ignore[arg-type]


def make_parser(verb: str, description: str | None, epilog: str) -> QuietParser:
    """Return the parser of a verb; ``epilog`` (its examples) is printed as it is."""
    return QuietParser(
        prog=f"mpi_collector {verb}",
        description=(description or "").replace("``", ""),
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
