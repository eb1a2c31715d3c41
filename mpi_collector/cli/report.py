"""``report``: the page of a recording, one file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.options import add_recording_argument
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import (
    explain_errors,
    needs_page_extra,
    new_file,
    refuse_other_than_html,
)
from mpi_collector.formats.later_marks import recording_stem

_EPILOG = """\
examples:
  mpi_collector report results                      # of the newest run, beside its files
  mpi_collector report run.npz -o run.html
"""


def page_path(recording: Path) -> Path:
    """Return the default path of a recording's page: beside it, as ``..._report.html``."""
    return recording.with_name(f"{recording_stem(recording)}_report.html")


@explain_errors
def main(words: Sequence[str]) -> int:
    """Write the page; MISTAKE for no readable recording, no Jinja2, a file that exists already."""
    parser = make_parser("report", __doc__, _EPILOG)
    add_recording_argument(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page; never overwritten"
    )
    args = parser.parse_args(words)
    if args.output is not None:
        refuse_other_than_html(args.output)
    from mpi_collector.output.new_file import create
    from mpi_collector.store.load import load

    with needs_page_extra():
        from mpi_collector.report.page import page

    with load(args.path) as recording:
        target = args.output or page_path(recording.path)
        text = page(recording)
    with new_file(target), create(target) as f:
        f.write(text.encode("utf-8", "backslashreplace"))
    return OK
