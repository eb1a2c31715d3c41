"""``report``: the page of a recording, one file that needs no network."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.cli.parser import QuietParser

_EPILOG = """\
examples:
  mpi_collector report results                      # of the newest run, beside its files
  mpi_collector report run.npz -o run.html
"""


def page_path(recording: Path) -> Path:
    """Where the page of a recording goes when nobody says: beside it, as ``..._report.html``."""
    stem = recording.name.removesuffix(".npz").removesuffix(".json").removesuffix("_timeseries")
    return recording.with_name(f"{stem}_report.html")


def main(words: Sequence[str]) -> int:
    """0, or 2 when there is no readable recording, no Bokeh, or the file exists already."""
    parser = QuietParser(prog="mpi_collector report", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path("results"),
        help="recording, or a results directory",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page; never overwritten"
    )
    args = parser.parse_args(words)
    from mpi_collector.errors import RecordingError
    from mpi_collector.output.files import create
    from mpi_collector.store.load import load

    try:
        from mpi_collector.report.page import page
    except ImportError as e:
        print_message(f"the page needs Bokeh ({e}): pip install 'mpi-collector[report]'")
        return 2
    try:
        with load(args.path) as recording:
            target = args.output or page_path(recording.path)
            text = page(recording)
        with create(target) as f:
            f.write(text.encode("utf-8", "backslashreplace"))
    except FileExistsError:
        print_message(f"{target} exists already; choose another with -o")
        return 2
    except (RecordingError, OSError) as e:
        print_message(error_text(e))
        return 2
    print_message(f"wrote {target}")
    return 0
