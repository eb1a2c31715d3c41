"""What becomes of a verb's result: text on stdout, a message on stderr, an exit code.

stdout may be closed by its reader (``mpi_collector summary | head``), stderr by whoever started us;
neither changes an exit code. The exit codes are in benchmark/exit_codes.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TextIO

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.errors import CollectorError

_Arguments = ParamSpec("_Arguments")


class Mistake(CollectorError):
    """A verb cannot do what was asked for. The text gives the reason and the remedy."""


def explain_errors(verb: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Decorate a verb: what the user must mend becomes one message and MISTAKE.

    Any other exception is a fault of this program and passes through.
    """

    @wraps(verb)
    def explained(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            return verb(*args, **kwargs)
        except (CollectorError, OSError) as e:
            print_message(error_text(e))
            return MISTAKE

    return explained


@contextmanager
def standard_output() -> Iterator[TextIO]:
    """Yield stdout for a verb's result; once its reader has closed it, output is dropped."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except SystemExit as e:  # rich exits with 1 when it finds the pipe broken
        if not isinstance(e.__context__, BrokenPipeError):
            raise
        _discard_output()


def flush_stdout() -> None:
    """Write out what was printed; once its reader has closed stdout, drop it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    """Let stdout lead nowhere: the interpreter flushes it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def new_file(target: Path) -> Iterator[None]:
    """Report that ``target`` was written; Mistake when it exists already, and for ``-``."""
    if str(target) == "-":
        raise Mistake(
            "the output is a file that is written as a whole, not stdout: name one with -o"
        )
    try:
        yield
    except FileExistsError:
        raise Mistake(f"{target} exists already; choose another with -o") from None
    print_message(f"wrote {target}")


def refuse_other_than_html(target: Path) -> None:
    """Mistake for the name of an image or a document: the page is HTML, whatever its name."""
    if target.suffix.lower() not in ("", ".html", ".htm", ".xhtml"):
        raise Mistake(
            f"{target}: the page is HTML; name it {target.with_suffix('.html').name}, and print it "
            "from a browser for a PDF or an image"
        )


@contextmanager
def needs_page_extra() -> Iterator[None]:
    """Turn the ImportError of a page without Jinja2 into a Mistake."""
    try:
        yield
    except ImportError as e:
        raise Mistake(f"the page needs Jinja2 ({e}): pip install 'mpi-collector[report]'") from e
