"""What the words of options are converted to. ArgumentTypeError says what is wrong with one."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import TypeVar

from mpi_collector.benchmark.suite_layout import SuiteLayout, parse_layout
from mpi_collector.node.options import END_OF_SECONDS_S, END_OF_SPOOL_MB
from mpi_collector.node.sources import select
from mpi_collector.output.series import SHARDED_ABOVE

_SHOWN_CHARACTERS = 60
_Number = TypeVar("_Number", int, float)


def seconds(low: float) -> Callable[[str], float]:
    """Return the type of a number of seconds, ``low`` or more."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value < END_OF_SECONDS_S:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and 1e9 seconds")
        return value

    return _called("number of seconds", parse)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return the type of a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:,} and {high:,}")
        return value

    return _called("whole number", parse)


def megabytes(text: str) -> float:
    """Convert a number of megabytes."""
    value = float(text)
    if not 0 < value < END_OF_SPOOL_MB:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1e9")
    return value


def shell_words(text: str) -> list[str]:
    """Split a text like a shell."""
    try:
        return shlex.split(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text[:_SHOWN_CHARACTERS]!r}: {e}") from None


def sources(text: str) -> str:
    """Check a list of sources."""
    try:
        select(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
    return text


def auto_or_never(text: str) -> str:
    """Check the value of --report.

    A type in place of choices: argparse does not check a default against choices, and this default
    comes from the environment.
    """
    if text not in ("auto", "never"):
        raise argparse.ArgumentTypeError(
            f"{text[:_SHOWN_CHARACTERS]!r} is neither auto nor never "
            "(MPI_COLLECTOR_REPORT is its default)"
        )
    return text


def shards(text: str) -> int:
    """Convert the value of --shards: hosts above which a recording is in parts, 0: never."""
    if text == "auto":
        return SHARDED_ABOVE
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(
            f"{text[:_SHOWN_CHARACTERS]!r} is neither auto nor a number of hosts"
        )
    return int(text)


def suite_layout(text: str) -> SuiteLayout:
    """Convert MODE/ORG/SYSTEM."""
    try:
        return parse_layout(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _called(name: str, parse: Callable[[str], _Number]) -> Callable[[str], _Number]:
    """Give ``parse`` the name by which argparse tells what it expected."""
    parse.__name__ = name
    return parse
