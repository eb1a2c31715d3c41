"""``export``: a recording, or its figures over time, in the formats of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.options import add_recording_argument
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, new_file
from mpi_collector.formats.later_marks import recording_stem

_EPILOG = """\
examples:
  mpi_collector export results --to csv                # of the newest run, beside its files
  mpi_collector export run.npz --to parquet --tidy -o run.parquet
  mpi_collector export results --to json               # the suite's file, when the run skipped it
  mpi_collector export results --figures --to csv      # read_bytes_per_s and all others over time
  mpi_collector export results --to perfetto           # for ui.perfetto.dev
  mpi_collector export results --to openmetrics        # then: promtool tsdb create-blocks-from
                                                       #         openmetrics FILE DIRECTORY

Without --figures the recorded columns are written as they are: counters and gauges of the kernel.
openmetrics and perfetto always have the figures.
"""
_OF_FIGURES = ("openmetrics", "perfetto")
_TABLES = ("csv", "parquet", "feather")  #: formats that can be tidy


@explain_errors
def main(words: Sequence[str]) -> int:
    """Write the file; MISTAKE for no readable recording, a missing library, a file that exists."""
    parser = _make_parser()
    args = parser.parse_args(words)
    figures = args.figures or args.to in _OF_FIGURES
    if args.tidy and args.to not in _TABLES:
        parser.error(f"--tidy is a shape of {', '.join(_TABLES)}; {args.to} has its own")
    from mpi_collector.output.export import COLUMN_ENDINGS, FIGURE_ENDINGS, export, export_figures
    from mpi_collector.store.load import load

    write = export_figures if figures else export
    with load(args.path) as recording:
        target = args.output or recording.path.parent
        if target.is_dir():
            ending = (FIGURE_ENDINGS if figures else COLUMN_ENDINGS)[args.to]
            target = target / f"{recording_stem(recording.path)}_{ending}"
        unknown = [h for h in args.hosts or () if h not in recording]
        if unknown:
            parser.error(
                f"no host {', '.join(unknown)} in this recording; it has {', '.join(recording)}"
            )
        with new_file(target):
            write(recording, args.to, target, args.hosts or list(recording), args.tidy)
    return OK


def _make_parser() -> argparse.ArgumentParser:
    parser = make_parser("export", __doc__, _EPILOG)
    add_recording_argument(parser)
    parser.add_argument(
        "--to", choices=(*_TABLES, "json", *_OF_FIGURES), required=True, help="the format"
    )
    parser.add_argument(
        "--figures", action="store_true", help="rates and levels over time in place of columns"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file or directory; never overwritten"
    )
    parser.add_argument("--hosts", nargs="+", metavar="HOST", help="these hosts only")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--wide",
        action="store_true",
        help="a row per host and time, a column per value (the default)",
    )
    shape.add_argument("--tidy", action="store_true", help="a row per value")
    return parser
